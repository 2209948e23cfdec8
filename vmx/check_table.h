/* Included by each check_*.c after its helpers, with ROWS naming the .def file: makes the functions of the rows, then
 * the table. No include guard: it is a template. */
#define CHECK(name, id_, group_, qualification_, live_, rule_, applies_, holds_, explain_, ...)                        \
    static bool name##_applies(const struct check_ctx *c) {                                                            \
        (void)c;                                                                                                       \
        return applies_;                                                                                               \
    }                                                                                                                  \
    static bool name##_holds(const struct check_ctx *c) {                                                              \
        (void)c;                                                                                                       \
        return holds_;                                                                                                 \
    }
#include ROWS
#undef CHECK

#define SECTION_EXECUTION          "SDM 3, \"VM-Execution Control Fields\" (Checks on VMX Controls)"
#define SECTION_EXIT               "SDM 3, \"VM-Exit Control Fields\" (Checks on VMX Controls)"
#define SECTION_ENTRY              "SDM 3, \"VM-Entry Control Fields\" (Checks on VMX Controls)"
#define SECTION_HOST_REGISTERS     "SDM 3, \"Checks on Host Control Registers, MSRs, and SSP\""
#define SECTION_HOST_SEGMENTS      "SDM 3, \"Checks on Host Segment and Descriptor-Table Registers\""
#define SECTION_HOST_SPACE         "SDM 3, \"Checks Related to Address-Space Size\""
#define SECTION_GUEST_REGISTERS    "SDM 3, \"Checks on Guest Control Registers, Debug Registers, and MSRs\""
#define SECTION_GUEST_SEGMENTS     "SDM 3, \"Checks on Guest Segment Registers\""
#define SECTION_GUEST_TABLES       "SDM 3, \"Checks on Guest Descriptor-Table Registers\""
#define SECTION_GUEST_RIP          "SDM 3, \"Checks on Guest RIP, RFLAGS, and SSP\""
#define SECTION_GUEST_NON_REGISTER "SDM 3, \"Checks on Guest Non-Register State\""
#define SECTION_GUEST_PDPTES       "SDM 3, \"Checks on Guest Page-Directory-Pointer-Table Entries\""

/* F_ before each of 1 to 6 field names, and the end mark */
#define FIELDS_1(a)                           F_##a, F_NONE
#define FIELDS_2(a, ...)                      F_##a, FIELDS_1(__VA_ARGS__)
#define FIELDS_3(a, ...)                      F_##a, FIELDS_2(__VA_ARGS__)
#define FIELDS_4(a, ...)                      F_##a, FIELDS_3(__VA_ARGS__)
#define FIELDS_5(a, ...)                      F_##a, FIELDS_4(__VA_ARGS__)
#define FIELDS_6(a, ...)                      F_##a, FIELDS_5(__VA_ARGS__)
#define FIELDS_PICK(a, b, c, d, e, g, n, ...) FIELDS_##n
#define FIELDS_CHOOSE(...)                    FIELDS_PICK(__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define FIELDS(...)                           FIELDS_CHOOSE(__VA_ARGS__)(__VA_ARGS__)

#define CHECK(name, id_, group_, qualification_, live_, rule_, applies_, holds_, explain_, ...)                        \
    {.id = id_,                                                                                                        \
     .section = SECTION_##group_,                                                                                      \
     .rule = rule_,                                                                                                    \
     .group = CHECK_##group_,                                                                                          \
     .qualification = VMX_FAIL_##qualification_,                                                                       \
     .live = live_,                                                                                                    \
     .applies = name##_applies,                                                                                        \
     .holds = name##_holds,                                                                                            \
     .explain = explain_,                                                                                              \
     .fields = {FIELDS(__VA_ARGS__)}},
static const struct vmx_check rows[] = {
#include ROWS
};
#undef CHECK
#define CHECK_TABLE                                                                                                    \
    { rows, sizeof rows / sizeof rows[0] }
