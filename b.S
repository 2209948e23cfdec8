.code64
mov %cr4,%rax; or $0x40600,%eax; mov %rax,%cr4
xor %ecx,%ecx; xor %edx,%edx; mov $0xe7,%eax; xsetbv
fninit
mov $0x5555,%eax; kmovd %eax,%k1
lea 0x200000,%rsi
mov $100000,%ecx
1: .rept 40
pclmulqdq $0,%xmm1,%xmm0
.endr
dec %ecx
jnz 1b
mov $0,%al
outb %al,$0xf4
