/* The table of instruction forms, and what runs one of them: XOP, FMA4, TBM, SSE4A, 3DNow!. APM 3, APM 4, APM 5. */
#include "testsuites/guest/vector/oldamd.h"

/* One row of the table: code that ends with RET, called with the operands in place. Rows that have a name in common
 * follow one another. */
        .macro row feature, class, patch, name, insn:vararg
        .pushsection .rodata.names, "a"
9991:   .asciz "\name"
        .popsection
        .pushsection .text.forms, "ax"
9992:   \insn
9993:   ret
        .popsection
        .pushsection .rodata.forms, "a"
        .quad 9991b, 9992b
        .long 9993b - 9992b, \feature, \class, \patch
        .popsection
        .endm

        .section .rodata.forms, "a"
        .balign 8
        .globl oldamd_forms, oldamd_forms_end
oldamd_forms:

/* ---- FMA4: four operands, the third or the fourth from memory ---- */

        .macro fma4_packed class, op
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %xmm4, %xmm3, %xmm2, %xmm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %ymm4, %ymm3, %ymm2, %ymm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op (%rdi), %xmm3, %xmm2, %xmm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %ymm4, (%rdi), %ymm2, %ymm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %xmm1, %xmm1, %xmm2, %xmm1
        .endm
        .macro fma4_scalar class, op
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %xmm4, %xmm3, %xmm2, %xmm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op (%rdi), %xmm3, %xmm2, %xmm1
        row FEATURE_FMA4, \class, PATCH_NONE, \op, \op %xmm4, (%rdi), %xmm2, %xmm1
        .endm
        .irp op, vfmadd, vfmsub, vfnmadd, vfnmsub
        fma4_packed CLASS_F32, \op\()ps
        fma4_packed CLASS_F64, \op\()pd
        fma4_scalar CLASS_F32, \op\()ss
        fma4_scalar CLASS_F64, \op\()sd
        .endr
        .irp op, vfmaddsub, vfmsubadd
        fma4_packed CLASS_F32, \op\()ps
        fma4_packed CLASS_F64, \op\()pd
        .endr

/* ---- XOP ---- */

        .macro xop_fraction class, op, wide
        row FEATURE_XOP, \class, PATCH_NONE, \op, \op %xmm2, %xmm1
        row FEATURE_XOP, \class, PATCH_NONE, \op, \op (%rdi), %xmm1
        .ifnb \wide
        row FEATURE_XOP, \class, PATCH_NONE, \op, \op %ymm2, %ymm1
        .endif
        .endm
        xop_fraction CLASS_F32, vfrczps, y
        xop_fraction CLASS_F64, vfrczpd, y
        xop_fraction CLASS_F32, vfrczss
        xop_fraction CLASS_F64, vfrczsd

        .macro xop_select op, patch, imm:vararg
        row FEATURE_XOP, CLASS_INT, \patch, \op, \op \imm %xmm4, %xmm3, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, \patch, \op, \op \imm (%rdi), %xmm3, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, \patch, \op, \op \imm %xmm4, (%rdi), %xmm2, %xmm1
        .endm
        .macro xop_select_wide op, patch, imm:vararg
        xop_select \op, \patch, \imm
        row FEATURE_XOP, CLASS_INT, \patch, \op, \op \imm %ymm4, %ymm3, %ymm2, %ymm1
        row FEATURE_XOP, CLASS_INT, \patch, \op, \op \imm (%rdi), %ymm3, %ymm2, %ymm1
        .endm
        xop_select_wide vpcmov, PATCH_NONE
        xop_select vpperm, PATCH_NONE
        xop_select_wide vpermil2ps, PATCH_LOW2, $0,
        xop_select_wide vpermil2pd, PATCH_LOW2, $0,

        .irp type, b, w, d, q, ub, uw, ud, uq
        row FEATURE_XOP, CLASS_INT, PATCH_IMM8, vpcom\type, vpcom\type $0, %xmm3, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_IMM8, vpcom\type, vpcom\type $0, (%rdi), %xmm2, %xmm1
        .endr
        .irp op, vphaddbw, vphaddbd, vphaddbq, vphaddwd, vphaddwq, vphadddq, vphaddubw, vphaddubd, vphaddubq, \
                 vphadduwd, vphadduwq, vphaddudq, vphsubbw, vphsubwd, vphsubdq
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op, \op %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op, \op (%rdi), %xmm1
        .endr
        .irp op, vpmacsww, vpmacssww, vpmacswd, vpmacsswd, vpmacsdd, vpmacssdd, vpmacsdql, vpmacssdql, vpmacsdqh, \
                 vpmacssdqh, vpmadcswd, vpmadcsswd
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op, \op %xmm4, %xmm3, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op, \op %xmm4, (%rdi), %xmm2, %xmm1
        .endr
        .irp op, vprot, vpsha, vpshl
        .irp type, b, w, d, q
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op\type, \op\type %xmm3, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op\type, \op\type (%rdi), %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_NONE, \op\type, \op\type %xmm3, (%rdi), %xmm1
        .ifc \op, vprot
        row FEATURE_XOP, CLASS_INT, PATCH_IMM8, \op\type, \op\type $0, %xmm2, %xmm1
        row FEATURE_XOP, CLASS_INT, PATCH_IMM8, \op\type, \op\type $0, (%rdi), %xmm1
        .endif
        .endr
        .endr

/* ---- TBM ---- */

        .irp op, blcfill, blci, blcic, blcmsk, blcs, blsfill, blsic, t1mskc, tzmsk
        row FEATURE_TBM, CLASS_GPR, PATCH_NONE, \op, \op %ecx, %eax
        row FEATURE_TBM, CLASS_GPR, PATCH_NONE, \op, \op %rcx, %rax
        row FEATURE_TBM, CLASS_GPR, PATCH_NONE, \op, \op (%rdi), %eax
        row FEATURE_TBM, CLASS_GPR, PATCH_NONE, \op, \op (%rdi), %rax
        .endr
        row FEATURE_TBM, CLASS_GPR, PATCH_BEXTR, bextr, bextr $0x7fffffff, %ecx, %eax
        row FEATURE_TBM, CLASS_GPR, PATCH_BEXTR, bextr, bextr $0x7fffffff, %rcx, %rax
        row FEATURE_TBM, CLASS_GPR, PATCH_BEXTR, bextr, bextr $0x7fffffff, (%rdi), %rax

/* ---- SSE4A ---- */

        row FEATURE_SSE4A, CLASS_FIELD, PATCH_NONE, extrq, extrq %xmm2, %xmm1
        row FEATURE_SSE4A, CLASS_FIELD, PATCH_FIELD, extrq, extrq $0, $0, %xmm1
        row FEATURE_SSE4A, CLASS_FIELD, PATCH_NONE, insertq, insertq %xmm2, %xmm1
        row FEATURE_SSE4A, CLASS_FIELD, PATCH_FIELD, insertq, insertq $0, $0, %xmm2, %xmm1
        row FEATURE_SSE4A, CLASS_FIELD, PATCH_NONE, movntss, movntss %xmm1, (%rdi)
        row FEATURE_SSE4A, CLASS_FIELD, PATCH_NONE, movntsd, movntsd %xmm1, (%rdi)

/* ---- 3DNow!; its approximations and their steps are not here: how exact they are is left to the processor ---- */

        .macro now feature, class, op
        row \feature, \class, PATCH_NONE, \op, \op %mm2, %mm1
        row \feature, \class, PATCH_NONE, \op, \op (%rdi), %mm1
        .endm
        .irp op, pavgusb, pmulhrw, pi2fd
        now FEATURE_3DNOW, CLASS_MMX, \op
        .endr
        now FEATURE_3DNOW, CLASS_3DNOW, pf2id
        now FEATURE_3DNOWEXT, CLASS_3DNOW, pf2iw
        now FEATURE_3DNOWEXT, CLASS_MMX, pi2fw
        now FEATURE_3DNOWEXT, CLASS_MMX, pswapd
        .irp op, pfacc, pfadd, pfcmpeq, pfcmpge, pfcmpgt, pfmax, pfmin, pfmul, pfsub, pfsubr
        now FEATURE_3DNOW, CLASS_3DNOW, \op
        .endr
        now FEATURE_3DNOWEXT, CLASS_3DNOW, pfnacc
        now FEATURE_3DNOWEXT, CLASS_3DNOW, pfpnacc

        .section .rodata.forms, "a"
oldamd_forms_end:

/* ---- void oldamd_run_*(struct state *s, const void *code): registers from *s, the code, registers back into *s ---- */

        .section .text
        .globl oldamd_run_avx, oldamd_run_sse, oldamd_run_mmx, oldamd_run_gpr
        .macro begin
        pushq %rbx
        movq %rdi, %rbx
        leaq STATE_MEM(%rbx), %rdi
        .endm
        .macro end
        popq %rbx
        ret
        .endm

oldamd_run_avx:
        begin
        ldmxcsr STATE_MXCSR(%rbx)
        vmovups STATE_V(%rbx), %ymm1
        vmovups STATE_V + 32(%rbx), %ymm2
        vmovups STATE_V + 64(%rbx), %ymm3
        vmovups STATE_V + 96(%rbx), %ymm4
        call *%rsi
        vmovups %ymm1, STATE_V(%rbx)
        vmovups %ymm2, STATE_V + 32(%rbx)
        vmovups %ymm3, STATE_V + 64(%rbx)
        vmovups %ymm4, STATE_V + 96(%rbx)
        stmxcsr STATE_MXCSR(%rbx)
        end

oldamd_run_sse:
        begin
        movups STATE_V(%rbx), %xmm1
        movups STATE_V + 32(%rbx), %xmm2
        call *%rsi
        movups %xmm1, STATE_V(%rbx)
        movups %xmm2, STATE_V + 32(%rbx)
        end

oldamd_run_mmx:
        begin
        movq STATE_MM(%rbx), %mm1
        movq STATE_MM + 8(%rbx), %mm2
        call *%rsi
        movq %mm1, STATE_MM(%rbx)
        movq %mm2, STATE_MM + 8(%rbx)
        femms
        end

oldamd_run_gpr:
        begin
        movq STATE_GPR(%rbx), %rax
        movq STATE_GPR + 8(%rbx), %rcx
        pushq STATE_FLAGS(%rbx)
        popfq
        call *%rsi
        pushfq
        popq STATE_FLAGS(%rbx)
        movq %rax, STATE_GPR(%rbx)
        movq %rcx, STATE_GPR + 8(%rbx)
        end
        .section .note.GNU-stack, "", @progbits
