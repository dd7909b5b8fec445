# SPDX-License-Identifier: LGPL-2.1-or-later
"""Spack recipe: the library, bindings and headers, for MPI libraries to link.

The module is the node's, not the user's: install it with the node's packages, or with
+kernel-module for the running kernel. Put this file as packages/xpmem/package.py in a
repository of yours (spack repo create), above the built-in one, and let it build a checkout:

    spack env activate ENVIRONMENT
    spack develop --path CHECKOUT xpmem@3.0.0
    spack install xpmem@3.0.0
"""

import os

from spack.package import *


class Xpmem(CMakePackage):
    """Memory of one process mapped by others, without pinning a page. It takes the place
    of other libxpmem.so.0; MPI libraries link it to pass messages inside a node."""

    homepage = "https://xpmem.invalid/"

    version("3.0.0", preferred=True)

    license("LGPL-2.1-or-later AND GPL-2.0-only AND GPL-2.0-or-later")

    variant("fortran", default=True, description="Fortran module")
    variant("python", default=True, description="Python package")
    variant("kernel-module", default=False, description="Kernel module for the running kernel")

    depends_on("c", type="build")
    depends_on("fortran", type="build", when="+fortran")
    depends_on("cmake@3.21:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("scdoc", type="build")
    depends_on("python@3.9:", type=("build", "run"), when="+python")
    extends("python", when="+python")

    conflicts("platform=darwin")
    conflicts("platform=windows")
    requires("target=x86_64:", msg="64-bit x86 alone")

    def cmake_args(self):
        args = [
            self.define("BUILD_TESTING", False),
            self.define("XPMEM_MPI_EXAMPLES", False),
            self.define("CMAKE_INSTALL_LIBDIR", "lib"),
            self.define_from_variant("XPMEM_FORTRAN", "fortran"),
        ]
        if self.spec.satisfies("+python"):
            args.append(self.define("XPMEM_PYTHON_DIR", python_purelib))
        return args

    @run_after("install", when="+kernel-module")
    def install_kernel_module(self):
        with working_dir(join_path(self.stage.source_path, "kmod")):
            make()
            target = join_path(self.prefix, "lib", "modules", os.uname().release)
            mkdirp(target)
            install("xpmem.ko", target)
