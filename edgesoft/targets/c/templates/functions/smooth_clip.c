static void smooth_clip(const float *x, size_t count, float limit, float reach, float *y)
{
    size_t i;
    for (i = 0; i < count; i++) {
        const float below = x[i] < reach ? x[i] : reach, near = below > -reach ? below : -reach, ratio = near / limit;
        volatile float square = ratio * ratio; /* volatile: the product must not melt into the sum */
        y[i] = near / sqrtf(square + 1.0f);
    }
}
