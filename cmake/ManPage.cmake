# SPDX-License-Identifier: LGPL-2.1-or-later
#
# SCDOC < SOURCE > PAGE.  A script because only execute_process can redirect with
# every generator.  scdoc takes the date from SOURCE_DATE_EPOCH when it is set.

execute_process(COMMAND ${SCDOC}
	INPUT_FILE ${SOURCE} OUTPUT_FILE ${PAGE} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
	file(REMOVE ${PAGE})
	message(FATAL_ERROR "scdoc refused ${SOURCE}")
endif()
