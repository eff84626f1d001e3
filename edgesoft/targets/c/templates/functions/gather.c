/* Lines of a picture, each with those above and below it, place by place: the surroundings of a place lie in one row. */
static input_t gathered[@gathered];

static void gather(const uint8_t *x, size_t height, size_t width, size_t channels, size_t line, input_t *to)
{
    size_t row, column, i;
    for (row = 0; row < 3; row++) {
        const int is_inside = line + row >= 1 && line + row <= height;
        const uint8_t *const from = is_inside ? x + (line + row - 1) * width * channels : x;
        for (column = 0; column < width + 2; column++) {
            input_t *const place = to + (3 * column + row) * channels;
            if (is_inside && column >= 1 && column <= width) {
                for (i = 0; i < channels; i++) {
                    place[i] = from[(column - 1) * channels + i];
                }
            } else {
                for (i = 0; i < channels; i++) {
                    place[i] = 0;
                }
            }
        }
    }
}
