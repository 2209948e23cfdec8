/* decode() of vector instructions: where each operand goes (decoder/insn.h, enum vec_enc), and which CPUID features an
 * encoding asks for (decoder/isa.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decoder/decoder.h"
#include "sim/arch/features.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LONG     (MODE_CODE64 | MODE_PROT | MODE_LMA)
#define R(n)     REG_OFF(n)
#define NO       REG_ZERO

enum { EAX = 0, ECX = 1, EDX = 2, EBX = 3 };

struct row {
    const char *text;
    uint8_t bytes[10];
    uint16_t id;
    uint8_t form, size, venc, mask;
    uint8_t reg, vreg, rm, imm8, imm8b;
    uint8_t base, index;
    int32_t disp;
};

// clang-format off
static const struct row rows[] = {
    /* MMX and SSE: the destination is the first source */
    {"paddw mm3, mm5", {0x0F, 0xFD, 0xDD}, INSN_PADDW, FORM_RR, 3, VEC_MMX, 0, .reg = 3, .vreg = 3, .rm = 5, .base = NO, .index = NO},
    {"paddw mm3, [rbx+8]", {0x0F, 0xFD, 0x5B, 0x08}, INSN_PADDW, FORM_RM, 3, VEC_MMX | VEC_W, 0, .reg = 3, .vreg = 3, .base = R(EBX), .index = NO, .disp = 8},
    {"paddw xmm9, xmm12", {0x66, 0x45, 0x0F, 0xFD, 0xCC}, INSN_PADDW, FORM_RR, 4, VEC_SSE, 0, .reg = 9, .vreg = 9, .rm = 12, .base = NO, .index = NO},
    {"paddw xmm9, [rbx+8]", {0x66, 0x44, 0x0F, 0xFD, 0x4B, 0x08}, INSN_PADDW, FORM_RM, 4, VEC_SSE | VEC_ALIGN, 0, .reg = 9, .vreg = 9, .base = R(EBX), .index = NO, .disp = 8},
    {"movups xmm1, [rbx]", {0x0F, 0x10, 0x0B}, INSN_MOVUPS, FORM_RM, 4, VEC_SSE, 0, .reg = 1, .vreg = 1, .base = R(EBX), .index = NO},
    {"movups [rbx], xmm11", {0x44, 0x0F, 0x11, 0x1B}, INSN_MOVUPS, FORM_MR, 4, VEC_SSE, 0, .reg = 11, .rm = 11, .base = R(EBX), .index = NO},
    {"movaps [rbx], xmm11", {0x44, 0x0F, 0x29, 0x1B}, INSN_MOVAPS, FORM_MR, 4, VEC_SSE | VEC_ALIGN, 0, .reg = 11, .rm = 11, .base = R(EBX), .index = NO},
    {"pshufd xmm2, xmm10, 1Bh", {0x66, 0x41, 0x0F, 0x70, 0xD2, 0x1B}, INSN_PSHUFD, FORM_RR, 4, VEC_SSE, 0, .reg = 2, .vreg = 2, .rm = 10, .imm8 = 0x1B, .base = NO, .index = NO},
    {"cvtsi2sd xmm4, r9", {0xF2, 0x49, 0x0F, 0x2A, 0xE1}, INSN_CVTSI2SD, FORM_RR, 4, VEC_SSE | VEC_W, 0, .reg = 4, .vreg = 4, .rm = R(9), .base = NO, .index = NO},
    {"cvttsd2si r9d, xmm4", {0xF2, 0x44, 0x0F, 0x2C, 0xCC}, INSN_CVTTSD2SI, FORM_RR, 4, VEC_SSE, 0, .reg = R(9), .vreg = R(9), .rm = 4, .base = NO, .index = NO},
    {"cvtpi2pd xmm1, mm2", {0x66, 0x0F, 0x2A, 0xCA}, INSN_CVTPI2PD, FORM_RR, 4, VEC_SSE, 0, .reg = 1, .vreg = 1, .rm = 2, .base = NO, .index = NO},
    {"blendvps xmm1, xmm2", {0x66, 0x0F, 0x38, 0x14, 0xCA}, INSN_BLENDVPS, FORM_RR, 4, VEC_SSE, 0, .reg = 1, .vreg = 1, .rm = 2, .base = NO, .index = NO},
    {"extrq xmm1, 5, 6", {0x66, 0x0F, 0x78, 0xC1, 0x05, 0x06}, INSN_EXTRQ_IMM, FORM_RR, 4, VEC_SSE, 0, .reg = 1, .vreg = 1, .rm = 1, .imm8 = 5, .imm8b = 6, .base = NO, .index = NO},
    {"psrad xmm11, 7", {0x66, 0x41, 0x0F, 0x72, 0xE3, 0x07}, INSN_PSRAD_IMM, FORM_RR, 4, VEC_SSE, 0, .reg = 11, .vreg = 11, .rm = 11, .imm8 = 7, .base = NO, .index = NO},
    {"insertq xmm1, xmm2, 5, 6", {0xF2, 0x0F, 0x78, 0xCA, 0x05, 0x06}, INSN_INSERTQ_IMM, FORM_RR, 4, VEC_SSE, 0, .reg = 1, .vreg = 1, .rm = 2, .imm8 = 5, .imm8b = 6, .base = NO, .index = NO},
    /* VEX: one, two and three sources */
    {"vpaddw ymm1, ymm12, ymm13", {0xC4, 0xC1, 0x1D, 0xFD, 0xCD}, INSN_VPADDW, FORM_RR, 5, VEC_VEX, 0, .reg = 1, .vreg = 12, .rm = 13, .base = NO, .index = NO},
    {"vpaddw xmm1, xmm12, [r13+40h]", {0xC4, 0xC1, 0x19, 0xFD, 0x4D, 0x40}, INSN_VPADDW, FORM_RM, 4, VEC_VEX, 0, .reg = 1, .vreg = 12, .base = R(13), .index = NO, .disp = 0x40},
    {"vmovaps [r13], ymm7", {0xC4, 0xC1, 0x7C, 0x29, 0x7D, 0x00}, INSN_VMOVAPS, FORM_MR, 5, VEC_VEX | VEC_ALIGN, 0, .reg = 7, .rm = 7, .base = R(13), .index = NO},
    {"vmovaps ymm7, [r13]", {0xC4, 0xC1, 0x7C, 0x28, 0x7D, 0x00}, INSN_VMOVAPS, FORM_RM, 5, VEC_VEX | VEC_ALIGN, 0, .reg = 7, .base = R(13), .index = NO},
    {"vblendvps xmm1, xmm2, xmm3, xmm4", {0xC4, 0xE3, 0x69, 0x4A, 0xCB, 0x40}, INSN_VBLENDVPS, FORM_RR, 4, VEC_VEX, 0, .reg = 1, .vreg = 2, .rm = 3, .imm8b = 4, .base = NO, .index = NO},
    {"vblendvps ymm1, ymm2, [rax], ymm4", {0xC4, 0xE3, 0x6D, 0x4A, 0x08, 0x40}, INSN_VBLENDVPS, FORM_RM, 5, VEC_VEX, 0, .reg = 1, .vreg = 2, .imm8b = 4, .base = R(EAX), .index = NO},
    {"vpgatherdd ymm1, [rbx+ymm9*4+10h], ymm2", {0xC4, 0xA2, 0x6D, 0x90, 0x4C, 0x8B, 0x10}, INSN_VPGATHERDD, FORM_RM, 5, VEC_VEX | VEC_SWAP, 0, .reg = 1, .imm8b = 2, .base = R(EBX), .index = 9, .disp = 0x10},
    {"vpmaskmovd [rbx], xmm3, xmm4", {0xC4, 0xE2, 0x61, 0x8E, 0x23}, INSN_VPMASKMOVD, FORM_MR, 4, VEC_VEX, 0, .reg = 4, .vreg = 3, .rm = 4, .base = R(EBX), .index = NO},
    {"vpmaskmovd xmm4, xmm3, [rbx]", {0xC4, 0xE2, 0x61, 0x8C, 0x23}, INSN_VPMASKMOVD, FORM_RM, 4, VEC_VEX, 0, .reg = 4, .vreg = 3, .base = R(EBX), .index = NO},
    {"vextractf128 [rbx], ymm3, 1", {0xC4, 0xE3, 0x7D, 0x19, 0x1B, 0x01}, INSN_VEXTRACTF128, FORM_MR, 5, VEC_VEX, 0, .reg = 3, .rm = 3, .imm8 = 1, .base = R(EBX), .index = NO},
    {"kandw k1, k2, k3", {0xC5, 0xEC, 0x41, 0xCB}, INSN_KANDW, FORM_RR, 5, VEC_EVEX, 0, .reg = 1, .vreg = 2, .rm = 3, .base = NO, .index = NO},
    {"kmovq r10, k3", {0xC4, 0x61, 0xFB, 0x93, 0xD3}, INSN_KMOVQ_TO_GPR, FORM_RR, 4, VEC_EVEX | VEC_W, 0, .reg = R(10), .rm = 3, .base = NO, .index = NO},
    /* XOP and FMA4: memory is the second or the third source */
    {"vfmaddps xmm1, xmm2, [rbx], xmm3", {0xC4, 0xE3, 0x69, 0x68, 0x0B, 0x30}, INSN_VFMADDPS, FORM_RM, 4, VEC_VEX, 0, .reg = 1, .vreg = 2, .imm8b = 3, .base = R(EBX), .index = NO},
    {"vfmaddps xmm1, xmm2, xmm3, [rbx]", {0xC4, 0xE3, 0xE9, 0x68, 0x0B, 0x30}, INSN_VFMADDPS, FORM_RM, 4, VEC_VEX | VEC_SWAP, 0, .reg = 1, .vreg = 2, .imm8b = 3, .base = R(EBX), .index = NO},
    {"vprotb xmm1, [rbx], xmm2", {0x8F, 0xE9, 0x68, 0x90, 0x0B}, INSN_VPROTB, FORM_RM, 4, VEC_VEX | VEC_SWAP, 0, .reg = 1, .imm8b = 2, .base = R(EBX), .index = NO},
    {"vprotb xmm1, xmm2, [rbx]", {0x8F, 0xE9, 0xE8, 0x90, 0x0B}, INSN_VPROTB, FORM_RM, 4, VEC_VEX, 0, .reg = 1, .vreg = 2, .base = R(EBX), .index = NO},
    {"pfadd mm1, [rbx]", {0x0F, 0x0F, 0x0B, 0x9E}, INSN_PFADD, FORM_RM, 3, VEC_MMX | VEC_W, 0, .reg = 1, .vreg = 1, .base = R(EBX), .index = NO},
    /* EVEX: 32 registers, masking, broadcast, rounding, displacements in units of the operand */
    {"vpaddd zmm30{k5}{z}, zmm17, zmm9", {0x62, 0x41, 0x75, 0xC5, 0xFE, 0xF1}, INSN_VPADDD, FORM_RR, 6, VEC_EVEX, 5 | VEC_MASK_ZERO, .reg = 30, .vreg = 17, .rm = 9, .base = NO, .index = NO},
    {"vpaddd zmm30{k5}, zmm17, [rbx+80h]", {0x62, 0x61, 0x75, 0x45, 0xFE, 0x73, 0x02}, INSN_VPADDD, FORM_RM, 6, VEC_EVEX, 5, .reg = 30, .vreg = 17, .base = R(EBX), .index = NO, .disp = 0x80},
    {"vpaddd ymm30, ymm17, [rbx+8]{1to8}", {0x62, 0x61, 0x75, 0x30, 0xFE, 0x73, 0x02}, INSN_VPADDD, FORM_RM, 5, VEC_EVEX, VEC_MASK_B | VEC_MASK_SAE, .reg = 30, .vreg = 17, .base = R(EBX), .index = NO, .disp = 8},
    {"vaddps zmm1, zmm2, zmm3, {rz-sae}", {0x62, 0xF1, 0x6C, 0x78, 0x58, 0xCB}, INSN_VADDPS, FORM_RR, 6, VEC_EVEX, VEC_MASK_B | 3 << 5, .reg = 1, .vreg = 2, .rm = 3, .base = NO, .index = NO},
    {"vcmppd k3{k2}, zmm2, zmm3, {sae}, 5", {0x62, 0xF1, 0xED, 0x1A, 0xC2, 0xDB, 0x05}, INSN_VCMPPD, FORM_RR, 6, VEC_EVEX, 2 | VEC_MASK_B | VEC_MASK_SAE, .reg = 3, .vreg = 2, .rm = 3, .imm8 = 5, .base = NO, .index = NO},
    {"vmovdqu8 [rbx+40h]{k1}, zmm20", {0x62, 0xE1, 0x7F, 0x49, 0x7F, 0x63, 0x01}, INSN_VMOVDQU8, FORM_MR, 6, VEC_EVEX, 1, .reg = 20, .rm = 20, .base = R(EBX), .index = NO, .disp = 0x40},
    {"vpgatherqq zmm17{k3}, [rcx+zmm25*8+18h]", {0x62, 0xA2, 0xFD, 0x43, 0x91, 0x4C, 0xC9, 0x03}, INSN_VPGATHERQQ, FORM_RM, 6, VEC_EVEX | VEC_W, 3, .reg = 17, .base = R(ECX), .index = 25, .disp = 0x18},
    {"vpscatterdd [rcx+xmm25*2]{k3}, xmm18", {0x62, 0xA2, 0x7D, 0x03, 0xA0, 0x14, 0x49}, INSN_VPSCATTERDD, FORM_MR, 4, VEC_EVEX, 3, .reg = 18, .rm = 18, .base = R(ECX), .index = 25},
    {"vpbroadcastd zmm1{k1}, r11d", {0x62, 0xD2, 0x7D, 0x49, 0x7C, 0xCB}, INSN_VPBROADCASTD_FROM_GPR, FORM_RR, 6, VEC_EVEX, 1, .reg = 1, .rm = R(11), .base = NO, .index = NO},
    {"vpternlogd zmm1, zmm2, [rdx+40h], 96h", {0x62, 0xF3, 0x6D, 0x48, 0x25, 0x4A, 0x01, 0x96}, INSN_VPTERNLOGD, FORM_RM, 6, VEC_EVEX, 0, .reg = 1, .vreg = 2, .imm8 = 0x96, .base = R(EDX), .index = NO, .disp = 0x40},
    {"vaddsd xmm1{k1}, xmm2, [rdx+10h]", {0x62, 0xF1, 0xEF, 0x09, 0x58, 0x4A, 0x02}, INSN_VADDSD, FORM_RM, 4, VEC_EVEX | VEC_W, 1, .reg = 1, .vreg = 2, .base = R(EDX), .index = NO, .disp = 0x10},
    {"vcvtsi2sd xmm1, xmm17, r9", {0x62, 0xD1, 0xF7, 0x00, 0x2A, 0xC9}, INSN_VCVTSI2SD, FORM_RR, 4, VEC_EVEX | VEC_W | VEC_NF, 0, .reg = 1, .vreg = 17, .rm = R(9), .base = NO, .index = NO},
    {"vmovntdqa zmm1, [rbx+40h]", {0x62, 0xF2, 0x7D, 0x48, 0x2A, 0x4B, 0x01}, INSN_VMOVNTDQA, FORM_RM, 6, VEC_EVEX | VEC_ALIGN | VEC_NF, 0, .reg = 1, .base = R(EBX), .index = NO, .disp = 0x40},
    {"vpshufb xmm1, xmm2, [rbx+10h]", {0x62, 0xF2, 0x6D, 0x08, 0x00, 0x4B, 0x01}, INSN_VPSHUFB, FORM_RM, 4, VEC_EVEX | VEC_NF, 0, .reg = 1, .vreg = 2, .base = R(EBX), .index = NO, .disp = 0x10},
};
// clang-format on

#define SAME(field, got)                                                                                               \
    do {                                                                                                               \
        if ((got) != r->field) {                                                                                       \
            printf("%s: " #field " is %#x, expected %#x\n", r->text, (unsigned)(got), (unsigned)r->field);             \
            wrong++;                                                                                                   \
        }                                                                                                              \
    } while (0)

static void test_decoder_vector_operands_are_where_the_record_says(void **state) {
    (void)state;
    const struct decode_features all = {0};
    unsigned wrong = 0;
    for (const struct row *r = rows; r < rows + COUNT(rows); r++) {
        struct insn i;
        assert_int_equal(decode(r->bytes, sizeof r->bytes, LONG, 0, &all, &i), DECODE_OK);
        SAME(id, i.id);
        SAME(form, i.form);
        SAME(size, i.size);
        SAME(venc, i.venc);
        SAME(mask, i.mask);
        SAME(reg, i.reg);
        if (i.form != FORM_MR || r->vreg) SAME(vreg, i.vreg);
        if (i.form != FORM_RM) SAME(rm, i.rm);
        SAME(imm8, i.imm8);
        SAME(imm8b, i.imm8b);
        SAME(base, i.base);
        SAME(index, i.index);
        SAME(disp, i.vdisp);
    }
    assert_int_equal(wrong, 0);
}

/* ---- features ---- */

struct gate_row {
    const char *text;
    uint8_t bytes[10];
    uint8_t features[4]; /* enough, and each of them needed */
};

// clang-format off
static const struct gate_row gates[] = {
    {"paddw mm3, mm5", {0x0F, 0xFD, 0xDD}, {FEAT_MMX}},
    {"pmaddubsw mm0, mm1", {0x0F, 0x38, 0x04, 0xC1}, {FEAT_SSSE3, FEAT_MMX}},
    {"pmuludq mm0, mm1", {0x0F, 0xF4, 0xC1}, {FEAT_SSE2, FEAT_MMX}},
    {"pfadd mm1, [rbx]", {0x0F, 0x0F, 0x0B, 0x9E}, {FEAT_3DNOW}},
    {"pswapd mm1, [rbx]", {0x0F, 0x0F, 0x0B, 0xBB}, {FEAT_3DNOWEXT}},
    {"addps xmm0, xmm1", {0x0F, 0x58, 0xC1}, {FEAT_SSE}},
    {"addpd xmm0, xmm1", {0x66, 0x0F, 0x58, 0xC1}, {FEAT_SSE2}},
    {"haddps xmm0, xmm1", {0xF2, 0x0F, 0x7C, 0xC1}, {FEAT_SSE3}},
    {"pabsb xmm0, xmm1", {0x66, 0x0F, 0x38, 0x1C, 0xC1}, {FEAT_SSSE3}},
    {"ptest xmm0, xmm1", {0x66, 0x0F, 0x38, 0x17, 0xC1}, {FEAT_SSE41}},
    {"pcmpgtq xmm0, xmm1", {0x66, 0x0F, 0x38, 0x37, 0xC1}, {FEAT_SSE42}},
    {"extrq xmm1, xmm2", {0x66, 0x0F, 0x79, 0xCA}, {FEAT_SSE4A}},
    {"aesenc xmm0, xmm1", {0x66, 0x0F, 0x38, 0xDC, 0xC1}, {FEAT_AES}},
    {"pclmulqdq xmm0, xmm1, 0", {0x66, 0x0F, 0x3A, 0x44, 0xC1, 0x00}, {FEAT_PCLMULQDQ}},
    {"sha256rnds2 xmm0, xmm1", {0x0F, 0x38, 0xCB, 0xC1}, {FEAT_SHA}},
    {"gf2p8mulb xmm0, xmm1", {0x66, 0x0F, 0x38, 0xCF, 0xC1}, {FEAT_GFNI}},
    {"vaddps ymm0, ymm1, ymm2", {0xC5, 0xF4, 0x58, 0xC2}, {FEAT_AVX}},
    {"vaesenc xmm0, xmm1, xmm2", {0xC4, 0xE2, 0x71, 0xDC, 0xC2}, {FEAT_AVX, FEAT_AES}},
    {"vaesenc ymm0, ymm1, ymm2", {0xC4, 0xE2, 0x75, 0xDC, 0xC2}, {FEAT_VAES}},
    {"vpaddw ymm0, ymm1, ymm2", {0xC5, 0xF5, 0xFD, 0xC2}, {FEAT_AVX2}},
    {"vpgatherdd ymm1, [rbx+ymm9*4+10h], ymm2", {0xC4, 0xA2, 0x6D, 0x90, 0x4C, 0x8B, 0x10}, {FEAT_AVX2}},
    {"vfmadd231ps ymm0, ymm1, ymm2", {0xC4, 0xE2, 0x75, 0xB8, 0xC2}, {FEAT_FMA}},
    {"vcvtph2ps ymm0, xmm1", {0xC4, 0xE2, 0x7D, 0x13, 0xC1}, {FEAT_F16C}},
    {"vpdpbusd ymm0, ymm1, ymm2 (VEX)", {0xC4, 0xE2, 0x75, 0x50, 0xC2}, {FEAT_AVXVNNI}},
    {"vpmadd52luq ymm0, ymm1, ymm2 (VEX)", {0xC4, 0xE2, 0xF5, 0xB4, 0xC2}, {FEAT_AVXIFMA}},
    {"vfmaddps xmm1, xmm2, [rbx], xmm3", {0xC4, 0xE3, 0x69, 0x68, 0x0B, 0x30}, {FEAT_FMA4}},
    {"vprotb xmm1, [rbx], xmm2", {0x8F, 0xE9, 0x68, 0x90, 0x0B}, {FEAT_XOP}},
    {"vaddps zmm1, zmm2, zmm3", {0x62, 0xF1, 0x6C, 0x48, 0x58, 0xCB}, {FEAT_AVX512F}},
    {"vaddps ymm1{k1}, ymm2, ymm3", {0x62, 0xF1, 0x6C, 0x29, 0x58, 0xCB}, {FEAT_AVX512F, FEAT_AVX512VL}},
    {"vaddsd xmm1{k1}, xmm2, [rdx+10h]", {0x62, 0xF1, 0xEF, 0x09, 0x58, 0x4A, 0x02}, {FEAT_AVX512F}},
    {"vpaddw zmm1, zmm2, zmm3", {0x62, 0xF1, 0x6D, 0x48, 0xFD, 0xCB}, {FEAT_AVX512BW}},
    {"vpaddw xmm17, xmm2, xmm3", {0x62, 0xE1, 0x6D, 0x08, 0xFD, 0xCB}, {FEAT_AVX512BW, FEAT_AVX512VL}},
    {"vpmullq zmm1, zmm2, zmm3", {0x62, 0xF2, 0xED, 0x48, 0x40, 0xCB}, {FEAT_AVX512DQ}},
    {"vplzcntd zmm1, zmm2", {0x62, 0xF2, 0x7D, 0x48, 0x44, 0xCA}, {FEAT_AVX512CD}},
    {"vpmadd52luq zmm1, zmm2, zmm3", {0x62, 0xF2, 0xED, 0x48, 0xB4, 0xCB}, {FEAT_AVX512IFMA}},
    {"vpermb zmm1, zmm2, zmm3", {0x62, 0xF2, 0x6D, 0x48, 0x8D, 0xCB}, {FEAT_AVX512VBMI}},
    {"vpshldw zmm1, zmm2, zmm3, 1", {0x62, 0xF3, 0xED, 0x48, 0x70, 0xCB, 0x01}, {FEAT_AVX512VBMI2}},
    {"vpdpbusd zmm1, zmm2, zmm3", {0x62, 0xF2, 0x6D, 0x48, 0x50, 0xCB}, {FEAT_AVX512VNNI}},
    {"vpopcntb zmm1, zmm2", {0x62, 0xF2, 0x7D, 0x48, 0x54, 0xCA}, {FEAT_AVX512BITALG}},
    {"vpopcntd zmm1, zmm2", {0x62, 0xF2, 0x7D, 0x48, 0x55, 0xCA}, {FEAT_AVX512VPOPCNTDQ}},
    {"vdpbf16ps zmm1, zmm2, zmm3", {0x62, 0xF2, 0x6E, 0x48, 0x52, 0xCB}, {FEAT_AVX512BF16}},
    {"vaddph zmm1, zmm2, zmm3", {0x62, 0xF5, 0x6C, 0x48, 0x58, 0xCB}, {FEAT_AVX512FP16}},
    {"vp2intersectd k2, zmm2, zmm3", {0x62, 0xF2, 0x6F, 0x48, 0x68, 0xD3}, {FEAT_AVX512VP2INTERSECT}},
    {"vaesenc zmm1, zmm2, zmm3", {0x62, 0xF2, 0x6D, 0x48, 0xDC, 0xCB}, {FEAT_AVX512F, FEAT_VAES}},
    {"kandw k1, k2, k3", {0xC5, 0xEC, 0x41, 0xCB}, {FEAT_AVX512F}},
    {"kandb k1, k2, k3", {0xC5, 0xED, 0x41, 0xCB}, {FEAT_AVX512DQ}},
    {"kandq k1, k2, k3", {0xC4, 0xE1, 0xEC, 0x41, 0xCB}, {FEAT_AVX512BW}},
};
// clang-format on

static enum decode_status with(const struct gate_row *g, const uint64_t *cpu) {
    struct decode_features feat = {.cpu = cpu};
    struct insn i;
    return decode(g->bytes, sizeof g->bytes, LONG, 0, &feat, &i);
}

static void set(uint64_t *cpu, unsigned f, bool on) {
    cpu[f / 64] = (cpu[f / 64] & ~(1ull << f % 64)) | (uint64_t)on << f % 64;
}

static void test_decoder_vector_present_with_just_its_features(void **state) {
    (void)state;
    for (const struct gate_row *g = gates; g < gates + COUNT(gates); g++) {
        uint64_t cpu[(FEAT_COUNT + 63) / 64] = {0};
        for (unsigned k = 0; k < COUNT(g->features) && g->features[k]; k++) set(cpu, g->features[k], true);
        if (with(g, cpu) != DECODE_OK) print_error("%s\n", g->text);
        assert_int_equal(with(g, cpu), DECODE_OK);
    }
}

static void test_decoder_vector_undefined_without_one_of_its_features(void **state) {
    (void)state;
    for (const struct gate_row *g = gates; g < gates + COUNT(gates); g++)
        for (unsigned k = 0; k < COUNT(g->features) && g->features[k]; k++) {
            uint64_t cpu[(FEAT_COUNT + 63) / 64];
            memset(cpu, 0xFF, sizeof cpu);
            set(cpu, g->features[k], false);
            if (with(g, cpu) != DECODE_INVALID) print_error("%s\n", g->text);
            assert_int_equal(with(g, cpu), DECODE_INVALID);
        }
}

/* AMD had some MMX instructions of SSE before SSE: APM 3 "PAVGB", "Extensions to MMX" */
static void test_decoder_vector_mmx_extensions_come_with_either_feature(void **state) {
    (void)state;
    static const struct gate_row pavgb = {
        "pavgb mm0, mm1", {0x0F,  0xE0, 0xC1},
         {0}
    };
    uint64_t cpu[(FEAT_COUNT + 63) / 64] = {0};
    set(cpu, FEAT_MMX, true);
    assert_int_equal(with(&pavgb, cpu), DECODE_INVALID);
    set(cpu, FEAT_SSE, true);
    assert_int_equal(with(&pavgb, cpu), DECODE_OK);
    set(cpu, FEAT_SSE, false);
    set(cpu, FEAT_MMXEXT, true);
    assert_int_equal(with(&pavgb, cpu), DECODE_OK);
}

/* SDM 2 "VEX Prefix", "EVEX Prefix": not in real-address and virtual-8086 mode */
static void test_decoder_vector_vex_outside_protected_mode_undefined(void **state) {
    (void)state;
    static const uint8_t vex[8] = {0xC5, 0xF4, 0x58, 0xC2}, evex[8] = {0x62, 0xF1, 0x6C, 0x48, 0x58, 0xCB},
                         sse[8] = {0x0F, 0x58, 0xC1};
    const struct decode_features all = {0};
    struct insn i;
    for (unsigned vm = 0; vm < 2; vm++) {
        unsigned mode = MODE_CODE16 | (vm ? MODE_PROT | MODE_VM86 : 0);
        assert_int_equal(decode(vex, 8, mode, 0, &all, &i), DECODE_INVALID);
        assert_int_equal(decode(evex, 8, mode, 0, &all, &i), DECODE_INVALID);
        assert_int_equal(decode(sse, 8, mode, 0, &all, &i), DECODE_OK);
    }
    assert_int_equal(decode(vex, 8, MODE_CODE16 | MODE_PROT, 0, &all, &i), DECODE_OK);
    assert_int_equal(decode(evex, 8, MODE_CODE32 | MODE_PROT, 0, &all, &i), DECODE_OK);
}

static void test_decoder_vector_lock_undefined(void **state) {
    (void)state;
    static const uint8_t lock_movups[8] = {0xF0, 0x0F, 0x11, 0x03};
    const struct decode_features all = {0};
    struct insn i;
    assert_int_equal(decode(lock_movups, 8, LONG, 0, &all, &i), DECODE_INVALID);
}

static const struct decode_features everything = {0};

/* SDM 2 "VEX Prefix", "EVEX Prefix": LOCK, 66, F2, F3 or REX in front is #UD; APM 3 "XOP Prefix" the same */
static void test_decoder_vector_prefix_in_front_undefined(void **state) {
    static const uint8_t prefixes[] = {0xF0, 0x66, 0xF2, 0xF3, 0x48};
    static const uint8_t codes[][8] = {
        {0xC5,  0xE8, 0x58, 0xCB}, /* vaddps xmm1, xmm2, xmm3 */
        {     0xC4, 0xE1, 0x68, 0x58, 0xCB}, /* the same */
        {     0x62, 0xF1, 0x6C, 0x48, 0x58, 0xCB}, /* vaddps zmm1, zmm2, zmm3 */
        { 0x8F,  0xE9, 0x78, 0x80, 0xC1}, /* vfrczps xmm0, xmm1 */
    };
    struct insn i;
    (void)state;
    for (unsigned c = 0; c < sizeof codes / sizeof codes[0]; c++) {
        assert_int_equal(decode(codes[c], 8, LONG, 0, &everything, &i), DECODE_OK);
        for (unsigned p = 0; p < sizeof prefixes; p++) {
            uint8_t bytes[12] = {prefixes[p]};
            memcpy(bytes + 1, codes[c], 8);
            assert_int_equal(decode(bytes, 9, LONG, 0, &everything, &i), DECODE_INVALID);
        }
    }
}

/* Fields that must have one value. SDM 2, "#UD Equations for EVEX"; "VEX.vvvv" of the instructions; APM 6 for XOP */
static void test_decoder_vector_reserved_fields_undefined(void **state) {
    static const uint8_t codes[][8] = {
        {0x62,  0xF1, 0x68, 0x48, 0x58, 0xCB}, /* P1[2] = 0 */
        {0x62,  0xF1, 0x6C, 0x68, 0x58, 0xCB}, /* vaddps, L'L = 3 without rounding */
        {0x62,  0xF1, 0x6C, 0xC8, 0x58, 0xCB}, /* z with k0 */
        {0x62,  0xF1, 0x7C, 0xC9, 0x11, 0x1F}, /* z with a memory destination */
        {0x62,  0xF1, 0x74, 0x48, 0x28, 0xC1}, /* vmovaps, vvvv */
        {0x62,  0xF1, 0x7C, 0x40, 0x28, 0xC1}, /* vmovaps, V' */
        {0x62,  0xF6, 0x6E, 0x48, 0xD6, 0xD3}, /* vfmulcph, destination = first source */
        {0xC5,  0xF0, 0x28, 0xC1}, /* vmovaps, VEX.vvvv */
        {0x8F, 0xE9, 0x38, 0x80,     0xC1    }, /* vfrczps, XOP.vvvv */
        {0xC4, 0xE2, 0x79, 0x90,     0x0C,0x0F     }, /* vpgatherdd, destination = index */
    };
    struct insn i;
    (void)state;
    for (unsigned c = 0; c < sizeof codes / sizeof codes[0]; c++)
        if (decode(codes[c], 8, LONG, 0, &everything, &i) != DECODE_INVALID)
            fail_msg("row %u is %s", c, insn_name((enum insn_id)i.id));
}

/* SDM 2 "PEXTRB/PEXTRD/PEXTRQ", "PINSRB/PINSRD/PINSRQ": VPEXTRQ and VPINSRQ outside 64-bit mode are #UD; in general
 * VEX.W is ignored there. */
static void test_decoder_vector_quadword_moves_undefined_outside_64bit_mode(void **state) {
    static const struct {
        uint8_t bytes[8];
        bool everywhere;
    } cases[] = {
        {{0xC4, 0xE3, 0xF9, 0x22, 0xD4, 0x5A}, false}, /* vpinsrq xmm2, xmm0, rsp, 5AH */
        {{0xC4, 0xE3, 0xF9, 0x16, 0xD0, 0x66}, false}, /* vpextrq rax, xmm2, 66H */
        {{0xC4, 0xE3, 0x79, 0x22, 0xD4, 0x5A}, true }, /* vpinsrd */
        {{0xC4, 0xE3, 0x79, 0x16, 0xD0, 0x66}, true }, /* vpextrd */
        {{0xC4, 0xE1, 0xF9, 0x6E, 0xC0},       true }, /* vmovq xmm0, rax: vmovd */
        {{0xC4, 0xE3, 0xF9, 0x20, 0xD4, 0x5A}, true }, /* vpinsrb */
    };
    struct insn i;
    (void)state;
    for (unsigned k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        assert_int_equal(decode(cases[k].bytes, 8, LONG, 0, &everything, &i), DECODE_OK);
        assert_int_equal(decode(cases[k].bytes, 8, MODE_CODE32 | MODE_PROT | MODE_LMA, 0, &everything, &i),
                         cases[k].everywhere ? DECODE_OK : DECODE_INVALID);
    }
}

/* What is cut off at the end of a page is fetched further. */
static void test_decoder_vector_proper_prefix_truncated(void **state) {
    static const struct {
        uint8_t bytes[8], len;
    } cut[] = {
        {{0xC4, 0xE2, 0xF5, 0xB4, 0xC2},             5}, /* vpmadd52luq ymm0, ymm1, ymm2 */
        {{0xC5, 0xE8, 0x58, 0xCB},                   4},
        {{0x62, 0xF1, 0x6C, 0x48, 0xC2, 0xCB, 0x01}, 7},
        {{0x0F, 0x0F, 0xC1, 0x9E},                   4},
    };
    struct insn i;
    (void)state;
    for (unsigned r = 0; r < sizeof cut / sizeof cut[0]; r++) {
        for (unsigned n = 1; n < cut[r].len; n++)
            assert_int_equal(decode(cut[r].bytes, n, LONG, 0, &everything, &i), DECODE_TRUNCATED);
        assert_int_equal(decode(cut[r].bytes, cut[r].len, LONG, 0, &everything, &i), DECODE_OK);
        assert_int_equal(i.len, cut[r].len);
    }
}

static void test_disasm_vector_text_has_operands_and_length(void **state) {
    static const uint8_t bytes[] = {0x62, 0xF1, 0x4C, 0x78, 0x58, 0xFD, 0xC5, 0xED, 0xFC, 0xCB};
    char text[64];
    (void)state;
    assert_int_equal(disasm(bytes, sizeof bytes, LONG, 0, DISASM_INTEL, text, sizeof text), 6);
    assert_non_null(strstr(text, "vaddps zmm7"));
    assert_non_null(strstr(text, "rz-sae"));
    assert_int_equal(disasm(bytes + 6, 4, LONG, 0, DISASM_INTEL, text, sizeof text), 4);
    assert_string_equal(text, "vpaddb ymm1, ymm2, ymm3");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoder_vector_operands_are_where_the_record_says),
        cmocka_unit_test(test_decoder_vector_present_with_just_its_features),
        cmocka_unit_test(test_decoder_vector_undefined_without_one_of_its_features),
        cmocka_unit_test(test_decoder_vector_mmx_extensions_come_with_either_feature),
        cmocka_unit_test(test_decoder_vector_vex_outside_protected_mode_undefined),
        cmocka_unit_test(test_decoder_vector_lock_undefined),
        cmocka_unit_test(test_decoder_vector_prefix_in_front_undefined),
        cmocka_unit_test(test_decoder_vector_reserved_fields_undefined),
        cmocka_unit_test(test_decoder_vector_quadword_moves_undefined_outside_64bit_mode),
        cmocka_unit_test(test_decoder_vector_proper_prefix_truncated),
        cmocka_unit_test(test_disasm_vector_text_has_operands_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
