/* The products of eight units, whose weights lie side by side; of several places' the largest counts. gcc uses vectors only where it
 * cannot unroll the inputs, so that this function stays one. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
static void eight_products(const input_t *x, size_t inputs, const int8_t *weights, size_t row, int is_first, int32_t *most)
{
    int32_t sums[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    size_t i, j;
    for (i = 0; i < inputs; i++) {
        const int32_t value = x[i];
        for (j = 0; j < 8; j++) {
            sums[j] += value * weights[i * row + j];
        }
    }
    for (j = 0; j < 8; j++) {
        most[j] = is_first || sums[j] > most[j] ? sums[j] : most[j];
    }
}
