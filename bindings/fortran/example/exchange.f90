! SPDX-License-Identifier: GPL-2.0-or-later
!
! Two processes: the first makes an array a segment and writes the segment's id to a file;
! the second attaches it, checks what is there and doubles each element in place.
!
!   exchange owner FILE &
!   exchange attacher FILE
!
! Without MPI, so that it runs anywhere; the file is what a message would be.
program exchange
    use, intrinsic :: iso_c_binding
    use xpmem
    implicit none

    integer(c_int64_t), parameter :: n = 100000
    character(len=4096) :: who, path

    interface
        function posix_memalign(pointer, alignment, size) bind(c)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), intent(out) :: pointer
            integer(c_size_t), value :: alignment, size
            integer(c_int) :: posix_memalign
        end function

        subroutine free(pointer) bind(c)
            import :: c_ptr
            type(c_ptr), value :: pointer
        end subroutine

        function usleep(microseconds) bind(c)
            import :: c_int
            integer(c_int), value :: microseconds
            integer(c_int) :: usleep
        end function
    end interface

    call get_command_argument(1, who)
    call get_command_argument(2, path)
    if (xpmem_version() < 0) call give_up("xpmem_version")
    select case (who)
    case ("owner")
        call be_owner()
    case ("attacher")
        call be_attacher()
    case default
        error stop "usage: exchange owner|attacher FILE"
    end select

contains

    subroutine give_up(call_name)
        character(len=*), intent(in) :: call_name

        print "(a,': errno ',i0)", call_name, xpmem_errno()
        error stop
    end subroutine

    ! A segment is whole pages, and so must the memory be.
    subroutine be_owner()
        integer(c_size_t), parameter :: page = 4096
        integer(c_size_t) :: size
        type(c_ptr) :: address
        ! another process stores here
        integer(c_int64_t), pointer, volatile :: array(:)
        integer(xpmem_id) :: segid
        integer(c_int) :: ignored
        integer :: unit, i, tries

        size = n * 8
        size = size + modulo(-size, page)
        if (posix_memalign(address, page, size) /= 0) error stop "no memory"
        call c_f_pointer(address, array, [n])
        segid = xpmem_make(address, size, XPMEM_PERMIT_MODE, xpmem_mode(int(o'600')))
        if (segid == -1) call give_up("xpmem_make")
        do i = 1, int(n)
            array(i) = i
        end do

        open(newunit=unit, file=trim(path)//".new", status="replace", action="write")
        write(unit, *) segid
        close(unit)
        call execute_command_line("mv "//trim(path)//".new "//trim(path))

        ! The last element is written last.
        do tries = 1, 3000
            if (array(n) == 2 * n) exit
            ignored = usleep(10000_c_int)
        end do
        do i = 1, int(n)
            if (array(i) /= 2 * i) error stop "owner: not what the attacher wrote"
        end do
        print "(a)", "owner: all elements doubled"
        if (xpmem_remove(segid) /= 0) call give_up("xpmem_remove")
        call free(address)
    end subroutine

    subroutine be_attacher()
        integer(c_int64_t), pointer :: array(:)
        integer(xpmem_id) :: segid, apid
        integer(c_int) :: ignored
        integer :: unit, i, tries, status, ierror
        logical :: exists

        do tries = 1, 3000
            inquire(file=trim(path), exist=exists)
            if (exists) exit
            ignored = usleep(10000_c_int)
        end do
        open(newunit=unit, file=trim(path), status="old", action="read", iostat=status)
        if (status /= 0) error stop "attacher: no segment"
        read(unit, *) segid
        close(unit)

        apid = xpmem_get(segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, c_null_ptr)
        if (apid == -1) call give_up("xpmem_get")
        ! All but the first element, to show that an offset need not be that of a page
        call xpmem_attach_array(apid, 8_c_int64_t, n - 1, array, ierror)
        if (ierror /= 0) call give_up("xpmem_attach")
        do i = 1, int(n - 1)
            if (array(i) /= i + 1) error stop "attacher: not what the owner wrote"
        end do
        call double_first(apid)
        array = 2 * array
        print "(a)", "attacher: saw the owner's array"
        call xpmem_detach_array(array, ierror)
        if (ierror /= 0 .or. associated(array)) call give_up("xpmem_detach")
        if (xpmem_release(apid) /= 0) call give_up("xpmem_release")
    end subroutine

    subroutine double_first(apid)
        integer(xpmem_id), intent(in) :: apid
        integer(c_int64_t), pointer :: first(:)
        integer :: ierror

        call xpmem_attach_array(apid, 0_c_int64_t, 1_c_int64_t, first, ierror)
        if (ierror /= 0) call give_up("xpmem_attach")
        first(1) = 2 * first(1)
        call xpmem_detach_array(first, ierror)
        if (ierror /= 0) call give_up("xpmem_detach")
    end subroutine
end program
