
/* The golden pictures one after the other. */
static const uint8_t *next_golden_picture(void)
{
    static const uint8_t *packed = golden_pictures;
    static uint8_t picture[@{NAME}_INPUTS];
    int i = 0, zeros;
    while (i < @{NAME}_INPUTS) {
        picture[i] = *packed++;
        if (picture[i++] == 0) {
            for (zeros = *packed++ - 1; zeros > 0; zeros--) {
                picture[i++] = 0;
            }
        }
    }
    return picture;
}
