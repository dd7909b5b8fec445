! SPDX-License-Identifier: LGPL-2.1-or-later
!
! xpmem - the calls of xpmem.h and xpmem_ext.h for Fortran
!
! The functions have the names, arguments and results of the C ones, and their man pages
! hold: ids are integer(xpmem_id), addresses type(c_ptr), sizes integer(c_size_t). To them
! come
!
!   xpmem_mode(bits)       permission bits as permit_value wants them, xpmem_mode(int(o'600'))
!   xpmem_is_failed(ptr)   whether xpmem_attach failed
!   xpmem_errno()          errno of the last call that failed, of this thread
!   xpmem_attach_array     attaches elements as an array pointer, at any byte offset
!   xpmem_detach_array     detaches what the pointer shows, and nullifies it
!
! An array pointer is one-dimensional; p2(1:n, 1:m) => p makes it what the owner has.
! What another process stores is not seen by a compiler that has the value in a register:
! between a store there and a load here is a call that synchronizes (of MPI, or xpmem's), or
! the array is volatile.
!
! No call of xpmem_ext.h is referenced from here: a program that uses none runs with any
! libxpmem.so.0.
module xpmem
    use, intrinsic :: iso_c_binding
    implicit none
    private

    integer, parameter, public :: xpmem_id = c_long_long
    integer, parameter, public :: xpmem_off = c_long

    integer(c_int), parameter, public :: XPMEM_PERMIT_MODE = 1
    integer(c_int), parameter, public :: XPMEM_RDONLY = 1
    integer(c_int), parameter, public :: XPMEM_RDWR = 2
    ! with the address c_null_ptr: all memory of the process
    integer(c_size_t), parameter, public :: XPMEM_MAXADDR_SIZE = -1_c_size_t
    integer(c_int64_t), parameter, public :: XPMEM_FEATURE_PREFAULT = 1_c_int64_t
    integer(c_int64_t), parameter, public :: XPMEM_FEATURE_REMOTE = 2_c_int64_t
    integer(c_int), parameter, public :: XPMEM_PREFAULT_WRITE = 1
    integer(c_int), parameter, public :: XPMEM_REMOTE_WRITE = 1
    integer(c_int), parameter, public :: XPMEM_REMOTE_LAST_COPY = 2

    type, bind(c), public :: xpmem_addr
        integer(xpmem_id) :: apid
        integer(xpmem_off) :: offset
    end type

    type, bind(c), public :: xpmem_info
        integer(c_int64_t) :: features, max_address
        integer(c_int32_t) :: module_version, library_version, page_size, reserved
    end type

    interface
        function xpmem_version() bind(c)
            import :: c_int
            integer(c_int) :: xpmem_version
        end function

        function xpmem_make(vaddr, size, permit_type, permit_value) bind(c)
            import :: c_int, c_ptr, c_size_t, xpmem_id
            type(c_ptr), value :: vaddr, permit_value
            integer(c_size_t), value :: size
            integer(c_int), value :: permit_type
            integer(xpmem_id) :: xpmem_make
        end function

        function xpmem_remove(segid) bind(c)
            import :: c_int, xpmem_id
            integer(xpmem_id), value :: segid
            integer(c_int) :: xpmem_remove
        end function

        function xpmem_get(segid, flags, permit_type, permit_value) bind(c)
            import :: c_int, c_ptr, xpmem_id
            integer(xpmem_id), value :: segid
            integer(c_int), value :: flags, permit_type
            type(c_ptr), value :: permit_value
            integer(xpmem_id) :: xpmem_get
        end function

        function xpmem_release(apid) bind(c)
            import :: c_int, xpmem_id
            integer(xpmem_id), value :: apid
            integer(c_int) :: xpmem_release
        end function

        function xpmem_attach(addr, size, vaddr) bind(c)
            import :: c_ptr, c_size_t, xpmem_addr
            type(xpmem_addr), value :: addr
            integer(c_size_t), value :: size
            type(c_ptr), value :: vaddr
            type(c_ptr) :: xpmem_attach
        end function

        function xpmem_detach(vaddr) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: vaddr
            integer(c_int) :: xpmem_detach
        end function

        ! xpmem_ext.h: 0 or -errno

        function xpmem_query(info, size) bind(c)
            import :: c_int, c_size_t, xpmem_info
            type(xpmem_info), intent(out) :: info
            integer(c_size_t), value :: size
            integer(c_int) :: xpmem_query
        end function

        function xpmem_prefault(vaddr, length, flags, done) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: vaddr
            integer(c_size_t), value :: length
            integer(c_int), value :: flags
            integer(c_size_t), intent(out), optional :: done
            integer(c_int) :: xpmem_prefault
        end function

        function xpmem_make_remote(vaddr, size, permit_type, permit_value, flags, &
                segid) bind(c)
            import :: c_int, c_ptr, c_size_t, xpmem_id
            type(c_ptr), value :: vaddr, permit_value
            integer(c_size_t), value :: size
            integer(c_int), value :: permit_type, flags
            integer(xpmem_id), intent(out) :: segid
            integer(c_int) :: xpmem_make_remote
        end function

        function errno_location() bind(c, name="__errno_location")
            import :: c_ptr
            type(c_ptr) :: errno_location
        end function

        function page_size() bind(c, name="getpagesize")
            import :: c_int
            integer(c_int) :: page_size
        end function
    end interface

    ! call xpmem_attach_array(apid, offset, count, array, ierror)
    !
    ! count elements, offset bytes from the segment's start. ierror is 0, or an errno of
    ! xpmem_attach, and array then null.
    interface xpmem_attach_array
        module procedure attach_int32, attach_int64
        module procedure attach_real32, attach_real64
        module procedure attach_complex32, attach_complex64
    end interface

    ! call xpmem_detach_array(array, ierror)
    !
    ! array is what xpmem_attach_array gave, or a part of it: all of it is detached.
    interface xpmem_detach_array
        module procedure detach_int32, detach_int64
        module procedure detach_real32, detach_real64
        module procedure detach_complex32, detach_complex64
    end interface

    public :: xpmem_version, xpmem_make, xpmem_remove, xpmem_get, xpmem_release
    public :: xpmem_attach, xpmem_detach, xpmem_query, xpmem_prefault, xpmem_make_remote
    public :: xpmem_mode, xpmem_is_failed, xpmem_errno
    public :: xpmem_attach_array, xpmem_detach_array

contains

    pure function xpmem_mode(bits) result(value)
        integer, intent(in) :: bits
        type(c_ptr) :: value

        value = transfer(int(bits, c_intptr_t), value)
    end function

    pure function xpmem_is_failed(address) result(failed)
        type(c_ptr), intent(in) :: address
        logical :: failed

        failed = transfer(address, 0_c_intptr_t) == -1_c_intptr_t
    end function

    function xpmem_errno() result(number)
        integer(c_int) :: number
        integer(c_int), pointer :: location

        call c_f_pointer(errno_location(), location)
        number = location
    end function

    ! The address of the bytes [offset, offset + size), of whole pages attached around them
    subroutine attach_bytes(apid, offset, size, address, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, size
        type(c_ptr), intent(out) :: address
        integer, intent(out) :: ierror
        integer(c_int64_t) :: lead

        lead = modulo(offset, int(page_size(), c_int64_t))
        address = xpmem_attach(xpmem_addr(apid, int(offset - lead, xpmem_off)), &
            int(size + lead, c_size_t), c_null_ptr)
        if (xpmem_is_failed(address)) then
            ierror = xpmem_errno()
            address = c_null_ptr
        else
            ierror = 0
            address = transfer(transfer(address, 0_c_intptr_t) + &
                int(lead, c_intptr_t), address)
        end if
    end subroutine

    subroutine detach_bytes(address, ierror)
        type(c_ptr), intent(in) :: address
        integer, intent(out) :: ierror
        integer(c_intptr_t) :: number, page

        ! any address of the attachment will do; its first page is one
        page = int(page_size(), c_intptr_t)
        number = transfer(address, 0_c_intptr_t)
        number = number - modulo(number, page)
        ierror = 0
        if (xpmem_detach(transfer(number, address)) /= 0) ierror = xpmem_errno()
    end subroutine

    subroutine attach_int32(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        integer(c_int32_t), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 4, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_int32(array, ierror)
        integer(c_int32_t), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine

    subroutine attach_int64(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        integer(c_int64_t), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 8, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_int64(array, ierror)
        integer(c_int64_t), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine

    subroutine attach_real32(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        real(c_float), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 4, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_real32(array, ierror)
        real(c_float), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine

    subroutine attach_real64(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        real(c_double), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 8, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_real64(array, ierror)
        real(c_double), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine

    subroutine attach_complex32(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        complex(c_float_complex), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 8, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_complex32(array, ierror)
        complex(c_float_complex), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine

    subroutine attach_complex64(apid, offset, count, array, ierror)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), intent(in) :: offset, count
        complex(c_double_complex), pointer, intent(out) :: array(:)
        integer, intent(out) :: ierror
        type(c_ptr) :: address

        nullify(array)
        call attach_bytes(apid, offset, count * 16, address, ierror)
        if (ierror == 0) call c_f_pointer(address, array, [count])
    end subroutine

    subroutine detach_complex64(array, ierror)
        complex(c_double_complex), pointer, intent(inout) :: array(:)
        integer, intent(out) :: ierror

        call detach_bytes(c_loc(array), ierror)
        if (ierror == 0) nullify(array)
    end subroutine
end module
