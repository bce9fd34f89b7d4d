/*
 * Angles are computed in double precision and rounded where the reference holds float32: its
 * frequencies and its angles, not its cosines.
 */
#include "model/rotary.h"

#include <math.h>

/* Pairs [first, first + count) of one row turn by position * theta^(-i / of), i from `power`. */
static void turn(float *cosine, float *sine, double position, double theta, int64_t count,
                 int64_t power, double of) {
    for (int64_t i = 0; i < count; i++) {
        float frequency =
            (float)(1.0 /
                    pow(theta, (double)(power + i) / of)); /* the reference holds them in float32 */
        float angle = (float)position * frequency;
        cosine[i] = (float)cos((double)angle);
        sine[i] = (float)sin((double)angle);
    }
}

static void joint_row(float *row, const struct transformer_config *c, const double position[3]) {
    float *cosine = row, *sine = row + c->head_dim / 2;
    for (int axis = 0; axis < 3; axis++) {
        int64_t pairs = c->axes[axis] / 2;
        turn(cosine, sine, position[axis], 10000.0, pairs, 0, (double)pairs);
        cosine += pairs;
        sine += pairs;
    }
}

void rotary_joint(float *angles, const struct transformer_config *c, int64_t text,
                  const struct token_grid *grids, int64_t grid_count) {
    int64_t furthest = 0;
    for (int64_t g = 0; g < grid_count; g++) {
        if (grids[g].height / 2 > furthest) furthest = grids[g].height / 2;
        if (grids[g].width / 2 > furthest) furthest = grids[g].width / 2;
    }
    for (int64_t i = 0; i < text; i++, angles += c->head_dim) {
        double at = (double)(furthest + i);
        joint_row(angles, c, (const double[]){at, at, at});
    }
    for (int64_t g = 0; g < grid_count; g++) {
        int64_t h = grids[g].height, w = grids[g].width, above = h - h / 2, left = w - w / 2;
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < w; x++, angles += c->head_dim)
                joint_row(angles, c,
                          (const double[]){(double)g, (double)(y - above), (double)(x - left)});
    }
}

void rotary_language(float *angles, const struct language_config *c, const int32_t *positions,
                     int64_t rows) {
    int64_t half = c->head_dim / 2;
    for (int64_t r = 0; r < rows; r++) {
        float *row = angles + r * c->head_dim;
        for (int64_t axis = 0, first = 0; axis < 3; first += c->mrope_section[axis++])
            turn(row + first, row + half + first, positions[axis * rows + r], c->rope_theta,
                 c->mrope_section[axis], first, (double)half);
    }
}

void rotary_vision(float *angles, const struct vision_config *c, const int32_t *positions,
                   int64_t rows) {
    int64_t half = c->head_dim / 2, quarter = half / 2;
    for (int64_t r = 0; r < rows; r++) {
        float *row = angles + r * c->head_dim;
        for (int64_t axis = 0; axis < 2; axis++)
            turn(row + axis * quarter, row + half + axis * quarter, positions[axis * rows + r],
                 10000.0, quarter, 0, (double)quarter);
    }
}
