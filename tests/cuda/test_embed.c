/*
 * The kernels as the program carries them: machine code for each chip that is promised, and PTX that
 * the oldest of them can take, packed so that the simulated driver can read it.
 */
#include "support/unit_test.h"

#include <string.h>

#include "compute/cuda/kernels/embed.h"

/* A fatbin: a head of 16 bytes, then pieces with heads of their own. */
struct head {
    uint32_t magic;
    uint16_t version, size;
    uint64_t bytes; /* of what follows */
};
struct piece {
    uint16_t kind, version;
    uint32_t size; /* of this head */
    uint64_t bytes;
    uint32_t packed_bytes, options;
    uint32_t version_minor, arch;
    uint64_t name, flags; /* 0x2000: LZ4, 0x8000: zstd */
};
enum { PTX = 1, CODE = 2, ZSTD = 0x8000 };

static void next_piece(const char **at, struct piece *p) {
    memcpy(p, *at, sizeof *p);
    *at += p->size + p->bytes;
}

static const char *pieces_of(const char *from, const char *to) {
    struct head h;
    memcpy(&h, from, sizeof h);
    assert_int_equal(h.magic, 0xba55ed50u);
    assert_int_equal((uintptr_t)from % 64, 0);
    assert_int_equal(to - from, h.size + h.bytes);
    return from + h.size;
}

static void test_machine_code_for_each_chip(void **state) {
    static const uint32_t chips[] = {80, 86, 89, 90, 100, 120};
    const char *end = firered_cuda_fatbin_end, *at = pieces_of(firered_cuda_fatbin, end);
    (void)state;
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        struct piece p;
        assert_true(at < end);
        next_piece(&at, &p);
        assert_int_equal(p.kind, CODE);
        assert_int_equal(p.arch, chips[i]);
    }
    assert_ptr_equal(at, end);
}

static void test_ptx_of_the_oldest(void **state) {
    const char *end = firered_cuda_ptx_end, *at = pieces_of(firered_cuda_ptx, end);
    struct piece p;
    (void)state;
    next_piece(&at, &p);
    assert_ptr_equal(at, end);
    assert_int_equal(p.kind, PTX);
    assert_int_equal(p.arch, 80);
    assert_int_equal(p.flags & ZSTD, 0);
}

static void test_nothing_without_nvcc(void **state) {
    (void)state;
    assert_ptr_equal(firered_cuda_fatbin, firered_cuda_fatbin_end);
    assert_ptr_equal(firered_cuda_ptx, firered_cuda_ptx_end);
}

int main(void) {
    const struct CMUnitTest with[] = {cmocka_unit_test(test_machine_code_for_each_chip),
                                      cmocka_unit_test(test_ptx_of_the_oldest)};
    const struct CMUnitTest without[] = {cmocka_unit_test(test_nothing_without_nvcc)};
    return HAVE_KERNELS ? cmocka_run_group_tests(with, NULL, NULL)
                        : cmocka_run_group_tests(without, NULL, NULL);
}
