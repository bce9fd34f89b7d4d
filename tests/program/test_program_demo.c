/*
 * The model that comes with the program, on a photograph: the pictures that the README shows are what
 * it still makes, and an instruction does what it says.
 */
#include <math.h>

#include "image/resize.h"
#include "program/program.h"

#define ROOT TEST_DATA "/../.."

static const char photograph[] = ROOT "/examples/cat.jpg";

/* At 256x256 pixels or so, unless `full`. */
static struct picture edited(const char *image, const char *prompt, bool full) {
    static struct command_line line;
    static struct child child;
    struct picture p;
    line_start(&line, "edit");
    line_add(&line, "--model", ROOT "/models/demo");
    line_add(&line, "--image", "%s", image);
    line_add(&line, "--prompt", "%s", prompt);
    line_add(&line, "--seed", "1");
    if (!full) line_add(&line, "--width", "320");
    if (!full) line_add(&line, "--height", "208");
    line_add(&line, "--output", "out/edited.png");
    line_run_well(&line, &child);
    read_picture(&p, "out/edited.png");
    return p;
}

/* The README's pictures are JPEGs of quality 95, which costs them some dB. */
static void equals_stored(const char *image, const char *prompt, const char *stored) {
    struct picture expected, p = edited(image, prompt, true);
    read_picture(&expected, stored);
    double psnr = picture_psnr(&p, &expected);
    print_message("%s: %.1f dB\n", stored, psnr);
    assert_true(psnr >= 35);
    picture_free(&p);
    picture_free(&expected);
}

static void test_black_and_white_is_as_shown(void **state) {
    (void)state;
    equals_stored(photograph, "make it black and white",
                  ROOT "/docs/images/cat-black-and-white.jpg");
}

static void test_fog_is_as_shown(void **state) {
    (void)state;
    equals_stored(ROOT "/examples/rocket.jpg", "cover it in fog",
                  ROOT "/docs/images/rocket-fog.jpg");
}

/* The reference follows the output's size (edit_config.json): smaller is not a cut-out. */
static void test_a_small_result_shows_the_whole_picture(void **state) {
    (void)state;
    struct picture original, small, p = edited(photograph, "keep it unchanged", false);
    struct error err;
    read_picture(&original, photograph);
    assert_int_equal(picture_resize(&small, &original, p.width, p.height, RESAMPLE_LANCZOS, &err),
                     STATUS_OK);
    double psnr = picture_psnr(&p, &small);
    print_message("unchanged at %dx%d: %.1f dB\n", p.width, p.height, psnr);
    assert_true(psnr > 22);
    picture_free(&p);
    picture_free(&small);
    picture_free(&original);
}

struct colour {
    double red, green, blue, spread; /* means; spread: the mean of |red - green| + |green - blue| */
};

static struct colour mean_colour(const struct picture *p) {
    struct colour c = {0};
    size_t n = (size_t)p->width * (size_t)p->height;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixel = p->rgb + i * 3;
        c.red += pixel[0] / (double)n;
        c.green += pixel[1] / (double)n;
        c.blue += pixel[2] / (double)n;
        c.spread += (abs(pixel[0] - pixel[1]) + abs(pixel[1] - pixel[2])) / (double)n;
    }
    return c;
}

static struct colour colour_after(const char *prompt) {
    struct picture p = edited(photograph, prompt, false);
    struct colour c = mean_colour(&p);
    print_message("%s: red %.0f green %.0f blue %.0f spread %.1f\n", prompt, c.red, c.green, c.blue,
                  c.spread);
    picture_free(&p);
    return c;
}

static struct colour colour_before(void) {
    struct picture p;
    read_picture(&p, photograph);
    struct colour c = mean_colour(&p);
    picture_free(&p);
    return c;
}

static void test_grey_has_no_colour(void **state) {
    (void)state;
    assert_true(colour_after("turn this into a black and white photo").spread <
                colour_before().spread / 3);
}

static void test_night_is_dark(void **state) {
    (void)state;
    struct colour before = colour_before(), after = colour_after("make it night");
    assert_true(after.red + after.green + after.blue <
                0.6 * (before.red + before.green + before.blue));
}

static void test_blue_is_blue(void **state) {
    (void)state;
    struct colour before = colour_before(), after = colour_after("tint it blue");
    assert_true(after.blue - after.red > before.blue - before.red + 30);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, scene_reset)
    const struct CMUnitTest tests[] = {
        TEST(test_black_and_white_is_as_shown),
        TEST(test_fog_is_as_shown),
        TEST(test_a_small_result_shows_the_whole_picture),
        TEST(test_grey_has_no_colour),
        TEST(test_night_is_dark),
        TEST(test_blue_is_blue),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
