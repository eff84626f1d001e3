static void scale_features(const float *x, size_t count, const float *offset, const float *factor, float *y)
{
    size_t i;
    for (i = 0; i < count; i++) {
        y[i] = (x[i] - offset[i]) * factor[i];
    }
}
