/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One CPU */
#ifndef KERNEL_SHIM_PERCPU_H
#define KERNEL_SHIM_PERCPU_H

#define DECLARE_PER_CPU(type, name) extern type name
#define this_cpu_add(variable, n) ((variable) += (n))

#endif /* KERNEL_SHIM_PERCPU_H */
