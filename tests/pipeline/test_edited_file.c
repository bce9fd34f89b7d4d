/* What a file of ours remembers, and what is said of an edit that is likely to disappoint. */
#include "support/unit_test.h"

#include <stdlib.h>
#include <string.h>

#include "pipeline/edited_file.h"

static uint8_t pixels[8 * 8 * 3];
static const struct picture picture = {8, 8, pixels};

static void test_the_seed_comes_back(void **state) {
    (void)state;
    static const uint64_t seeds[] = {0, 7, UINT64_MAX};
    for (size_t i = 0; i < 3; i++) {
        const struct edit_settings settings = {
            .prompt = "night", .negative_prompt = " ", .model = "m", .seed = seeds[i], .steps = 1};
        struct buffer png = {0}, jpeg = {0};
        uint64_t seed = 99;
        assert_int_equal(edited_file_encode(&png, &picture, PICTURE_PNG, 0, &settings, NULL),
                         STATUS_OK);
        assert_true(edited_file_seed(&seed, png.data, png.size));
        assert_true(seed == seeds[i]);
        assert_int_equal(edited_file_encode(&jpeg, &picture, PICTURE_JPEG, 0, &settings, NULL),
                         STATUS_OK);
        assert_false(edited_file_seed(&seed, jpeg.data, jpeg.size));
        buffer_free(&png);
        buffer_free(&jpeg);
    }
}

/* Others write a seed too, and not all that is written is one. */
static void test_other_files_have_none(void **state) {
    (void)state;
    static const struct picture_text texts[][2] = {
        {{"Software", "another program"}, {"seed", "7"}},
        {{"Software", "firered 0.1.0"}, {"Seed", "7"}},
        {{"Software", "firered 0.1.0"}, {"seed", "-7"}},
        {{"Software", "firered 0.1.0"}, {"seed", "7 "}},
        {{"Software", "firered 0.1.0"}, {"seed", "18446744073709551616"}},
        {{"Comment", "firered 0.1.0"}, {"seed", "7"}}};
    uint64_t seed;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct encode_options options = {texts[i], 2, 0};
        struct buffer png = {0};
        assert_int_equal(picture_encode_with(&png, &picture, PICTURE_PNG, &options, NULL),
                         STATUS_OK);
        if (edited_file_seed(&seed, png.data, png.size)) fail_msg("case %zu has a seed", i);
        buffer_free(&png);
    }
    assert_false(edited_file_seed(&seed, "PNG", 3));
}

static void test_notes(void **state) {
    (void)state;
    char out[EDIT_NOTE_SIZE], longest[301];
    memset(longest, 'x', 300);
    longest[300] = '\0';
    assert_true(edit_hardly_changed(0) && edit_hardly_changed(0.0099));
    assert_false(edit_hardly_changed(0.01));
    edit_note(out, "It mirrors.", 0.01, false);
    assert_string_equal(out, "");
    edit_note(out, "It mirrors.", 0.0099, false);
    assert_string_equal(out, "It mirrors.");
    edit_note(out, NULL, 0, false);
    assert_string_equal(out, "");
    edit_note(out, NULL, 0, true);
    assert_memory_equal(out, "A picture was made with this very seed", 38);
    edit_note(out, "It mirrors.", 0, true);
    assert_memory_equal(out, "It mirrors. A picture was made", 30);
    edit_note(out, longest, 0, true);
    assert_string_equal(out + strlen(out) - 25, "another seed does better.");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_seed_comes_back),
        cmocka_unit_test(test_other_files_have_none),
        cmocka_unit_test(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
