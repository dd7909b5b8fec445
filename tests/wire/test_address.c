// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of daemons as text (daemon/address.c). */
#include "address.h"
#include "check_main.h"

#include <errno.h>
#include <string.h>

START_TEST(there_and_back)
{
	static const char *const right[] = {
		"tcp://192.0.2.1:7474", "tcp://0.0.0.0:0", "tcp://[2001:db8::1]:7474",
		"tcp://[::]:65535", "tcp://[fe80::1%lo]:7474", "vsock://3:7474",
		"vsock://any:7474", "vsock://2:4294967294",
	};
	struct xpmd_address address;
	char text[XPMD_ADDRESS_TEXT];
	unsigned int i;

	for (i = 0; i < sizeof(right) / sizeof(*right); i++) {
		ck_assert_msg(!xpmd_address_parse(&address, right[i]), "%s", right[i]);
		xpmd_address_format(&address, text);
		ck_assert_str_eq(text, right[i]);
	}
	memset(&address, 0, sizeof(address));
	xpmd_address_format(&address, text);
	ck_assert_str_eq(text, "an unknown address");
}
END_TEST

START_TEST(refused)
{
	static const char *const wrong[] = {
		"", "tcp", "tcp://", "tcp://:", "192.0.2.1:7474", "tcp://192.0.2.1",
		"tcp://192.0.2.1:", "tcp://192.0.2.1:65536", "tcp://192.0.2.1:-1",
		"tcp://192.0.2.1: 1", "tcp://192.0.2.1:1x", "tcp://192.0.2:1", "tcp://host:7474",
		"tcp://2001:db8::1:7474", "tcp://[2001:db8::1:7474", "tcp://[]:7474",
		"tcp://[192.0.2.1]:7474", "udp://192.0.2.1:7474",
		"vsock://:7474", "vsock://x:7474", "vsock://4294967295:7474",
		"vsock://3:4294967295", "vsock://3:18446744073709551616", "vsock:/3:7474",
		"tcp://11111111111111111111111111111111111111111111111111111111111111111111111111"
		"111111111111111111111111111111111111111111:7474",
	};
	struct xpmd_address address;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(xpmd_address_parse(&address, wrong[i]) == -EINVAL, "%s", wrong[i]);
	ck_assert_int_eq(xpmd_address_parse(&address, "tcp://[fe80::1%nosuchif]:7474"), -ENODEV);
	ck_assert_int_eq(xpmd_address_parse(&address, "tcp://[fe80::1%]:7474"), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("address");

	add_case(suite, "there_and_back", there_and_back);
	add_case(suite, "refused", refused);
	return run_suite(suite);
}
