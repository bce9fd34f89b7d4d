/*
 * The model that comes with the program, on a photograph: the pictures that the README shows are what
 * it still makes, and an instruction does what it says, whatever seed, steps and guidance are.
 */
#include "support/unit_test.h"

#include <math.h>

#include "image/resize.h"
#include "program/program.h"

#define ROOT TEST_DATA "/../.."

static const char photograph[] = ROOT "/examples/cat.jpg";

struct manner {
    const char *seed, *steps, *guidance; /* NULL: 1, and the model's own */
    bool full;                           /* at the model's own size, not at 320x208 */
};

static struct child child; /* of the last edit */

static struct picture edited_as(const char *image, const char *prompt, struct manner as) {
    static struct command_line line;
    struct picture p;
    line_start(&line, "edit");
    line_add(&line, "--model", ROOT "/models/demo");
    line_add(&line, "--image", "%s", image);
    line_add(&line, "--prompt", "%s", prompt);
    line_add(&line, "--seed", "%s", as.seed ? as.seed : "1");
    if (as.steps) line_add(&line, "--steps", "%s", as.steps);
    if (as.guidance) line_add(&line, "--guidance-scale", "%s", as.guidance);
    if (!as.full) line_add(&line, "--width", "320");
    if (!as.full) line_add(&line, "--height", "208");
    line_add(&line, "--output", "out/edited.png");
    line_add_switch(&line, "--force");
    line_run(&line, &child);
    assert_int_equal(child.status, 0);
    read_picture(&p, "out/edited.png");
    return p;
}

static struct picture edited(const char *prompt) {
    return edited_as(photograph, prompt, (struct manner){0});
}

/* The README's pictures are JPEGs of quality 95, which costs them some dB. */
static void equals_stored(const char *image, const char *prompt, const char *stored) {
    struct picture expected, p = edited_as(image, prompt, (struct manner){.full = true});
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

/* The photograph at the size of the small edits. */
static struct picture small_photograph(void) {
    struct picture original, small;
    struct error err;
    read_picture(&original, photograph);
    assert_int_equal(picture_resize(&small, &original, 320, 208, RESAMPLE_LANCZOS, &err),
                     STATUS_OK);
    picture_free(&original);
    return small;
}

/* Frees both. */
static double alike(const char *what, struct picture a, struct picture b) {
    double psnr = picture_psnr(&a, &b);
    print_message("%s: %.1f dB\n", what, psnr);
    picture_free(&a);
    picture_free(&b);
    return psnr;
}

/* The reference follows the output's size (edit_config.json): smaller is not a cut-out. */
static void test_a_small_result_shows_the_whole_picture(void **state) {
    (void)state;
    assert_true(alike("unchanged", edited("keep it unchanged"), small_photograph()) > 24);
}

static void test_what_it_cannot_do_leaves_the_picture(void **state) {
    (void)state;
    assert_true(alike("a hat", edited("put a hat on the cat"), small_photograph()) > 24);
    assert_non_null(strstr(child.err, "hardly anything changed"));
    assert_non_null(strstr(child.err, "This small demo model changes light"));
    struct picture p = edited("make it black and white");
    picture_free(&p);
    assert_string_equal(child.err, "");
}

/* It cannot, and says so before it does half of it. */
static void test_takes_one_picture(void **state) {
    (void)state;
    static struct command_line line;
    line_start(&line, "edit");
    line_add(&line, "--model", ROOT "/models/demo");
    line_add(&line, "--image", "%s", photograph);
    line_add(&line, "--image", "%s", photograph);
    line_add(&line, "--prompt", "make it night");
    line_add(&line, "--output", "out/never.png");
    line_run_badly(&line, "an edit with this model takes 1 picture, not 2");
    line_add_switch(&line, "--verbose"); /* before it is loaded */
    line_run(&line, &child);
    assert_int_equal(child.status, 1);
    assert_null(strstr(child.err, "memory plan"));
}

static uint8_t *pixel_at(const struct picture *p, int x, int y) {
    return p->rgb + ((size_t)y * (size_t)p->width + (size_t)x) * 3;
}

/* The photograph with left and right, or top and bottom, exchanged. */
static struct picture turned(bool horizontally) {
    struct picture p = small_photograph(), from = small_photograph();
    for (int y = 0; y < p.height; y++)
        for (int x = 0; x < p.width; x++)
            memcpy(pixel_at(&p, x, y),
                   pixel_at(&from, horizontally ? p.width - 1 - x : x,
                            horizontally ? y : p.height - 1 - y),
                   3);
    picture_free(&from);
    return p;
}

static void test_mirrored(void **state) {
    (void)state;
    assert_true(alike("mirrored", edited("mirror the picture"), turned(true)) > 22);
}

static void test_upside_down(void **state) {
    (void)state;
    assert_true(alike("upside down", edited("turn it upside down"), turned(false)) > 22);
}

struct rgb {
    int red, green, blue;
};

/* The mean of the 9x9 pixels around a point. */
static struct rgb around(const struct picture *p, int x, int y) {
    struct rgb sum = {0};
    for (int dy = -4; dy <= 4; dy++)
        for (int dx = -4; dx <= 4; dx++) {
            const uint8_t *pixel = pixel_at(p, x + dx, y + dy);
            sum.red += pixel[0];
            sum.green += pixel[1];
            sum.blue += pixel[2];
        }
    return (struct rgb){sum.red / 81, sum.green / 81, sum.blue / 81};
}

static void assert_around(const struct picture *p, int x, int y, struct rgb wanted) {
    struct rgb got = around(p, x, y);
    if (abs(got.red - wanted.red) > 50 || abs(got.green - wanted.green) > 50 ||
        abs(got.blue - wanted.blue) > 50)
        fail_msg("around (%d, %d) it is %d %d %d, not about %d %d %d", x, y, got.red, got.green,
                 got.blue, wanted.red, wanted.green, wanted.blue);
}

static const struct rgb red = {230, 26, 26}, blue = {31, 51, 230};

static void test_a_border_lies_around_the_picture(void **state) {
    (void)state;
    struct picture p = edited("put a red frame around the photo"), before = small_photograph();
    for (int x = 8; x < p.width - 4; x += 24) {
        assert_around(&p, x, 6, red);
        assert_around(&p, x, p.height - 7, red);
    }
    for (int y = 8; y < p.height - 4; y += 24) {
        assert_around(&p, 6, y, red);
        assert_around(&p, p.width - 7, y, red);
    }
    assert_around(&p, 160, 104, around(&before, 160, 104));
    picture_free(&p);
    picture_free(&before);
}

static void test_a_circle_lies_where_it_was_asked_for(void **state) {
    (void)state;
    struct picture p = edited("draw a blue circle in the top left corner");
    struct picture before = small_photograph();
    int x = 320 * 22 / 100, y = 208 * 22 / 100;
    for (int dy = -14; dy <= 14; dy += 14)
        for (int dx = -14; dx <= 14; dx += 14) assert_around(&p, x + dx, y + dy, blue);
    const int outside[][2] = {{320 - x, y}, {x, 208 - y}, {160, 104}, {x + 60, y}, {x, y + 60}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_around(&p, outside[i][0], outside[i][1],
                      around(&before, outside[i][0], outside[i][1]));
    picture_free(&p);
    picture_free(&before);
}

static const char fog[] = "cover it in fog";

static void test_seeds_vary_little_things_only(void **state) {
    (void)state;
    struct picture one = edited(fog);
    struct picture two = edited_as(photograph, fog, (struct manner){.seed = "2"});
    assert_true(alike("another seed", one, two) > 30);
}

static void test_steps_and_guidance_change_little(void **state) {
    (void)state;
    static const struct manner manners[] = {
        {.steps = "28", .guidance = "7"}, {.steps = "50"}, {.guidance = "1"}, {.steps = "12"}};
    for (size_t i = 0; i < sizeof manners / sizeof manners[0]; i++)
        assert_true(alike("another manner", edited(fog), edited_as(photograph, fog, manners[i])) >
                    30);
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
    struct picture p = edited(prompt);
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
        TEST(test_what_it_cannot_do_leaves_the_picture),
        TEST(test_takes_one_picture),
        TEST(test_mirrored),
        TEST(test_upside_down),
        TEST(test_a_border_lies_around_the_picture),
        TEST(test_a_circle_lies_where_it_was_asked_for),
        TEST(test_seeds_vary_little_things_only),
        TEST(test_steps_and_guidance_change_little),
        TEST(test_grey_has_no_colour),
        TEST(test_night_is_dark),
        TEST(test_blue_is_blue),
    };
#undef TEST
    return cmocka_run_group_tests(tests, scene_enter, scene_leave);
}
