// What a CPU of the emulator runs at reset, in place of a firmware: it starts the Linux
// kernel that image.py put into memory, by the 32-bit boot protocol
// (Documentation/arch/x86/boot.rst). Linked at 0xffff0000, 64 KiB.

#define FLAT 0x10 // __BOOT_CS and, after it, __BOOT_DS of the protocol

        .code16
        .globl  _start
_start:
        cli
        lgdtl   %cs:table - _start
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $FLAT, $flat

        .code32
flat:
        movl    $FLAT + 8, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        // Bochs backs a block of memory with the next free piece of its own at the first
        // access, but reads an image as if all had been given out in order: touch them so.
        xorl    %esi, %esi
1:      movl    (%esi), %eax
        addl    $BLOCK, %esi
        cmpl    $MEMORY, %esi
        jb      1b
        movl    $BOOT_PARAMS, %esi
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
        xorl    %edi, %edi
        movl    $KERNEL, %eax
        jmpl    *%eax

        .balign 8
gdt:    .quad   0, 0
        .quad   0x00cf9b000000ffff // code: base 0, limit 4 GiB, 32 bits
        .quad   0x00cf93000000ffff // data, the same
table:  .word   . - gdt - 1
        .long   gdt

        .org    0xfff0
        .code16
        jmp     _start
        .org    0x10000
