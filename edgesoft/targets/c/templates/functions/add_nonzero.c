/* Four inputs at once. Their weights lie side by side, so that several outputs can be computed at once. */
static void add_four@suffix(const @held *x, const @weight *const *rows, size_t outputs, @total *sums)
{
    const @held x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    const @weight *const a = rows[0], *const b = rows[1], *const c = rows[2], *const d = rows[3];
    size_t i;
    for (i = 0; i < outputs; i++) {
        sums[i] = sums[i] + @pair(x0 * a[i] + x1 * b[i]) + @pair(x2 * c[i] + x3 * d[i]);
    }
}

/* An input that is 0 adds nothing: its weights are not looked at. */
static void add_nonzero@suffix(const @input *x, size_t inputs, const @weight *weights, size_t outputs, @total *sums)
{
    @held values[4];
    const @weight *rows[4] = {weights, weights, weights, weights};
    size_t count = 0, i;
    for (i = 0; i < inputs; i++, weights += outputs) {
        values[count] = x[i];
        rows[count] = weights;
        count += x[i] != 0;
        if (count == 4 || i + 1 == inputs) {
            for (; count < 4; count++) {
                values[count] = 0;
            }
            add_four@suffix(values, rows, outputs, sums);
            count = 0;
        }
    }
}
