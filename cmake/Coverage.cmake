# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The target "coverage": run the tests, then report which lines they ran.

find_program(GCOVR gcovr)
if(NOT GCOVR)
	message(STATUS "gcovr not found: no target coverage")
	return()
endif()
add_custom_target(coverage
	COMMAND find ${PROJECT_BINARY_DIR} -name "*.gcda" -delete
	COMMAND ${CMAKE_CTEST_COMMAND} --output-on-failure
	COMMAND ${GCOVR} --root ${PROJECT_SOURCE_DIR}
		--object-directory ${PROJECT_BINARY_DIR}
		--filter ${PROJECT_SOURCE_DIR}/libxpmem/
		--txt --print-summary
		--html-details ${PROJECT_BINARY_DIR}/coverage.html
	WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
	VERBATIM USES_TERMINAL)
