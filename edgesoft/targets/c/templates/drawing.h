
/* Bring a drawing of one character into the form that the network takes: dark on bright or bright on dark, on an even background, at
 * any place and of any size. `grey` has height * width levels from 0 to 255, row by row; neither may exceed @{NAME}_DRAWING_SIDE.
 * Returns 1, or 0 where no ink stands out, or fewer than @fewest pixels of it. It is in a file of its own, which needs libm and
 * @{NAME}_DRAWING_RAM_BYTES bytes of static RAM. */
#define @{NAME}_DRAWING_SIDE @drawing
#define @{NAME}_DRAWING_RAM_BYTES @{drawing_ram}L
int @{name}_normalise(const uint8_t *grey, int height, int width, uint8_t pixels[@{NAME}_INPUTS]);
