/* From a drawing to the network's input, as edgesoft does it in Python, to the bit. Made by edgesoft @version from
 * @origin. Do not edit: convert again.
 *
 * Sums are of whole multiples of 2^-24, so that their order does not matter; products that are added to something stand alone, so that
 * no compiler melts both into one operation. */
#include "@name.h"

#include <math.h>
#include <string.h>

#if defined(__FAST_MATH__)
#error "-ffast-math changes the answers: compile this file without it"
#endif

#define FINER @finer /* the character is drawn at so many times the resolution, and then averaged */
#define BOX (@ink_box * FINER)
#define BY_MASS @by_mass /* whether the centre is that of the mass, or of the box */
#define CAPACITY @capacity /* pixels a side of the largest plane */
#define FAINT 0.04f /* contrast of a blank sheet's grain */
#define MARK 0.3 /* the share of the contrast above which a pixel belongs to the character */
#define NOISE_FLOOR 0.2 /* and that which still counts as background */
#define PALEST 0.45f /* paler strokes are not lifted further: they may be shadows */

typedef struct {
    int height, width;
    float *data;
} plane;

static float first_room[CAPACITY * CAPACITY], second_room[CAPACITY * CAPACITY];
static double weights[CAPACITY];

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

static double within(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static float within_unit(float x)
{
    return x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x;
}

static double product(double a, double b)
{
    volatile double alone = a * b;
    return alone;
}

static float short_product(float a, float b)
{
    volatile float alone = a * b;
    return alone;
}

static double summable(float x)
{
    return rint((double)x * 16777216.0) / 16777216.0;
}

static int whole(double x)
{
    return (int)rint(x);
}

/* 0 outside of the plane. */
static float at(const plane *from, int y, int x)
{
    return y < 0 || x < 0 || y >= from->height || x >= from->width ? 0.0f : from->data[y * from->width + x];
}

static void swap(plane *a, plane *b)
{
    const plane other = *a;
    *a = *b;
    *b = other;
}

static int shape(plane *to, int height, int width)
{
    to->height = height;
    to->width = width;
    return height <= CAPACITY && width <= CAPACITY;
}

/* The box of the pixels above a level, the last two numbers one behind it: the whole plane where there are none. */
typedef struct {
    int top, left, bottom, right;
} box;

static box ink_box(const plane *ink, float level)
{
    box found = {0, 0, 0, 0};
    int y, x;
    found.top = ink->height;
    found.left = ink->width;
    for (y = 0; y < ink->height; y++) {
        for (x = 0; x < ink->width; x++) {
            if (at(ink, y, x) > level) {
                found.top = least(found.top, y);
                found.left = least(found.left, x);
                found.bottom = y + 1;
                found.right = most(found.right, x + 1);
            }
        }
    }
    if (found.bottom == 0) {
        found.top = found.left = 0;
        found.bottom = ink->height;
        found.right = ink->width;
    }
    return found;
}

static int longest(box of)
{
    return most(of.bottom - of.top, of.right - of.left);
}

/* Cut out a box that may reach beyond the plane, where it is empty. */
static int cut(plane *from, plane *spare, int top, int left, int bottom, int right)
{
    int y, x;
    if (!shape(spare, bottom - top, right - left)) {
        return 0;
    }
    for (y = 0; y < spare->height; y++) {
        for (x = 0; x < spare->width; x++) {
            spare->data[y * spare->width + x] = at(from, top + y, left + x);
        }
    }
    swap(from, spare);
    return 1;
}

/* Cut `from` to its ink, with so many pixels around it. */
static int crop_to_ink(plane *from, plane *spare, int margin)
{
    const box found = ink_box(from, 0.5f);
    return cut(from, spare, found.top - margin, found.left - margin, found.bottom + margin, found.right + margin);
}

/* Scale `from` in one direction: by a triangle as wide as a pixel, or, when shrinking, as a new pixel. */
static int stretch(plane *from, plane *spare, int size, int is_down)
{
    const int old = is_down ? from->height : from->width, lines = is_down ? from->width : from->height;
    const double scale = (double)old / size, reach = scale > 1.0 ? scale : 1.0;
    int place, line, i;
    if (size == old) {
        return 1;
    }
    if (!shape(spare, is_down ? size : lines, is_down ? lines : size)) {
        return 0;
    }
    for (place = 0; place < size; place++) {
        const double centre = product(place + 0.5, scale);
        const int first = most(0, (int)(centre - reach + 0.5));
        const int count = least(old, (int)(centre + reach + 0.5)) - first;
        double total = 0.0;
        for (i = 0; i < count; i++) {
            const double weight = 1.0 - fabs(product(i + first - centre + 0.5, 1.0 / reach));
            weights[i] = weight > 0.0 ? weight : 0.0;
            total += weights[i];
        }
        for (i = 0; i < count; i++) {
            weights[i] /= total;
        }
        for (line = 0; line < lines; line++) {
            double sum = 0.0;
            for (i = 0; i < count; i++) {
                sum += product((double)(is_down ? at(from, first + i, line) : at(from, line, first + i)), weights[i]);
            }
            spare->data[is_down ? place * spare->width + line : line * spare->width + place] = (float)sum;
        }
    }
    swap(from, spare);
    return 1;
}

/* Scale so that the longer side of the ink's box is BOX pixels. */
static int scale_to_box(plane *ink, plane *spare)
{
    double scale;
    int height, width;
    if (!crop_to_ink(ink, spare, 2)) {
        return 0;
    }
    scale = (double)BOX / longest(ink_box(ink, 0.5f));
    height = most(1, whole(ink->height * scale));
    width = most(1, whole(ink->width * scale));
    return stretch(ink, spare, width, 0) && stretch(ink, spare, height, 1) && crop_to_ink(ink, spare, 4);
}

/* Mean width of the strokes in pixels: twice their area over the length of their edges. */
static double stroke_width(const plane *ink)
{
    double area = 0.0, variation = 0.0;
    int y, x;
    for (y = 0; y <= ink->height; y++) {
        for (x = 0; x <= ink->width; x++) {
            const float across = at(ink, y, x) - at(ink, y - 1, x - 1), down = at(ink, y, x - 1) - at(ink, y - 1, x);
            variation += summable(sqrtf((short_product(across, across) + short_product(down, down)) / 2.0f));
            area += summable(at(ink, y, x));
        }
    }
    return variation > 0.0 ? 2.0 * area / variation : 0.0;
}

/* The largest value in a square around a pixel. */
static float in_square(const plane *ink, int y, int x, int radius)
{
    float largest = 0.0f;
    int v, u;
    for (v = y - radius; v <= y + radius; v++) {
        for (u = x - radius; u <= x + radius; u++) {
            largest = at(ink, v, u) > largest ? at(ink, v, u) : largest;
        }
    }
    return largest;
}

/* The means of squares, by running sums down and then across; the plane goes on as its edge. */
static void box_mean(plane *of, int radius)
{
    static double totals[2 * CAPACITY + 2];
    const int size = 2 * radius + 1;
    int is_down, line, i;
    for (is_down = 1; is_down >= 0; is_down--) {
        const int length = is_down ? of->height : of->width, lines = is_down ? of->width : of->height;
        const int step = is_down ? of->width : 1, stride = is_down ? 1 : of->width;
        for (line = 0; line < lines; line++) {
            float *const data = of->data + line * stride;
            double total = 0.0;
            for (i = 0; i < length + size; i++) {
                total += (double)data[most(0, least(length - 1, i - radius - 1)) * step];
                totals[i] = total;
            }
            for (i = 0; i < length; i++) {
                data[i * step] = (float)((totals[i + size] - totals[i]) / size);
            }
        }
    }
}

/* Of the surroundings within a disc the largest value, or of 1 minus each. */
static float in_disc(const plane *ink, int y, int x, int radius, int is_inverse)
{
    float largest = 0.0f;
    int down, across;
    for (down = -radius; down <= radius; down++) {
        const int chord = (int)sqrt((radius + 0.5) * (radius + 0.5) - down * down);
        const int v = y + down;
        for (across = -chord; v >= 0 && v < ink->height && across <= chord; across++) {
            const int u = x + across;
            if (u >= 0 && u < ink->width) {
                const float value = is_inverse ? 1.0f - at(ink, v, u) : at(ink, v, u);
                largest = value > largest ? value : largest;
            }
        }
    }
    return largest;
}

/* Thicken strokes by a radius, or thin them by a negative one, in fractions of a pixel. */
static void dilate_or_erode(plane *ink, plane *spare, double change)
{
    const int is_thinner = change < 0.0;
    const double radius = fabs(change);
    const int lower = (int)radius;
    const double part = radius - lower;
    int y, x;
    shape(spare, ink->height, ink->width);
    for (y = 0; y < ink->height; y++) {
        for (x = 0; x < ink->width; x++) {
            float value = in_disc(ink, y, x, lower, is_thinner);
            if (part >= 0.05) {
                value = short_product((float)(1.0 - part), value)
                        + short_product((float)part, in_disc(ink, y, x, lower + 1, is_thinner));
            }
            spare->data[y * ink->width + x] = is_thinner ? 1.0f - value : value;
        }
    }
    swap(ink, spare);
}

/* Radius by which the strokes must become thicker, so that they are as wide as those that the network has learned. */
static double stroke_width_change(const plane *ink)
{
    const double side = longest(ink_box(ink, 0.5f)), width = stroke_width(ink);
    const double wanted = within(width / side, @stroke_low, @stroke_high);
    const double change = (product(wanted, side) - width) / (2.0 * (1.0 - wanted));
    return change > -0.25 * width ? change : -0.25 * width;
}

/* Put the ink onto the canvas, and average it down to the network's pixels. */
static void draw(const plane *ink, uint8_t *pixels)
{
    const int height = @height * FINER, width = @width * FINER;
    const box found = ink_box(ink, 0.05f);
    const int high = least(found.bottom - found.top, height), wide = least(found.right - found.left, width);
    double total = 0.0, down = 0.0, across = 0.0;
    int from_top, from_left, y, x, v, u;
    for (y = 0; y < high; y++) {
        for (x = 0; x < wide; x++) {
            const double mass = BY_MASS ? summable(at(ink, found.top + y, found.left + x)) : 1.0;
            total += mass;
            down += mass * y;
            across += mass * x;
        }
    }
    total = total > 0.0 ? total : 1.0;
    from_top = whole(within(rint(height / 2.0 + (FINER - 1) / 2.0 - down / total), 0.0, height - high));
    from_left = whole(within(rint(width / 2.0 + (FINER - 1) / 2.0 - across / total), 0.0, width - wide));
    for (y = 0; y < @height; y++) {
        for (x = 0; x < @width; x++) {
            double sum = 0.0;
            for (v = y * FINER - from_top; v < (y + 1) * FINER - from_top; v++) {
                for (u = x * FINER - from_left; u < (x + 1) * FINER - from_left; u++) {
                    sum += v < 0 || u < 0 || v >= high || u >= wide ? 0.0 : summable(at(ink, found.top + v, found.left + u));
                }
            }
            pixels[y * @width + x] = (uint8_t)whole(within(sum / (FINER * FINER), 0.0, 1.0) * 255.0);
        }
    }
}

/* Whether a picture is the network's input already: its ink's box and centre are where they belong. */
static int is_input(const uint8_t *grey, int height, int width, int inverted)
{
    long total = 0, down = 0, across = 0;
    int largest = 0, y, x;
    box found = {0, 0, 0, 0};
    double middle_y, middle_x;
    found.top = height;
    found.left = width;
    if (height != @height || width != @width) {
        return 0;
    }
    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++) {
            const int level = grey[y * width + x] ^ inverted;
            if (level > 0) {
                found.top = least(found.top, y);
                found.left = least(found.left, x);
                found.bottom = y + 1;
                found.right = most(found.right, x + 1);
            }
            largest = most(largest, level);
            total += level;
            down += (long)level * y;
            across += (long)level * x;
        }
    }
    if (largest < 220 || longest(found) < @ink_box - 1 || longest(found) > @ink_box + 1 || 2 * total > 255L * height * width) {
        return 0;
    }
    middle_y = BY_MASS ? (double)down / (double)total : (found.top + found.bottom - 1) / 2.0;
    middle_x = BY_MASS ? (double)across / (double)total : (found.left + found.right - 1) / 2.0;
    return fabs(middle_y - height / 2.0) <= 0.75 && fabs(middle_x - width / 2.0) <= 0.75;
}

/* The level of the frame's median pixel. */
static int background_of(const uint8_t *grey, int height, int width)
{
    static int counts[256];
    int half = height == 1 || width == 1 ? height * width : 2 * (height + width) - 4, level = 0, seen, y, x;
    memset(counts, 0, sizeof counts);
    for (y = 0; y < height; y++) {
        for (x = 0; x < width; x++) {
            counts[grey[y * width + x]] += y == 0 || x == 0 || y == height - 1 || x == width - 1;
        }
    }
    half = (half + 1) / 2;
    for (seen = counts[0]; seen < half; seen += counts[level]) {
        level++;
    }
    return level;
}

/* The drawing as contrast with its background. Returns the largest, or 0 where there is hardly any. */
static float contrast_of(const uint8_t *grey, int height, int width, plane *to)
{
    const int background = background_of(grey, height, width);
    int lightest = 0, darkest = 255, is_dark, largest, i;
    for (i = 0; i < height * width; i++) {
        lightest = most(lightest, grey[i]);
        darkest = least(darkest, grey[i]);
    }
    is_dark = background - darkest >= lightest - background;
    largest = is_dark ? background - darkest : lightest - background;
    shape(to, height, width);
    for (i = 0; i < height * width; i++) {
        to->data[i] = (float)most(0, is_dark ? background - grey[i] : grey[i] - background) / 255.0f;
    }
    return (float)largest / 255.0f < FAINT ? 0.0f : (float)largest / 255.0f;
}

/* Cut the contrast to the pixels above a level and a margin of an eighth. */
static void crop_to_marks(plane *contrast, plane *spare, float level)
{
    const box found = ink_box(contrast, level);
    int rows = 0, columns = 0, margin, y, x;
    for (y = 0; y < contrast->height; y++) {
        for (x = 0; x < contrast->width && at(contrast, y, x) <= level; x++) {
        }
        rows += x < contrast->width;
    }
    for (x = 0; x < contrast->width; x++) {
        for (y = 0; y < contrast->height && at(contrast, y, x) <= level; y++) {
        }
        columns += y < contrast->height;
    }
    margin = 2 + most(rows, columns) / 8;
    cut(contrast, spare, most(0, found.top - margin), most(0, found.left - margin),
        least(contrast->height, found.bottom + margin), least(contrast->width, found.right + margin));
}

/* Divide the contrast of the marks by that of the strokes nearby: pressed and pale strokes become alike. */
static void press_evenly(plane *ink, plane *spare, float contrast, float level)
{
    const int count = ink->height * ink->width;
    int reach, y, x, i;
    shape(spare, ink->height, ink->width);
    for (i = 0; i < count; i++) {
        spare->data[i] = ink->data[i] > level ? 1.0f : 0.0f;
    }
    reach = most(1, least((int)ceil(stroke_width(spare)), most(ink->height, ink->width) / 8));
    for (y = 0; y < ink->height; y++) {
        for (x = 0; x < ink->width; x++) { /* a pixel around the marks belongs to their grey edges */
            ink->data[y * ink->width + x] *= in_square(spare, y, x, 1);
        }
    }
    for (i = 0; i < count; i++) {
        ink->data[i] /= contrast;
    }
    for (y = 0; y < ink->height; y++) {
        for (x = 0; x < ink->width; x++) {
            spare->data[y * ink->width + x] = in_square(ink, y, x, reach);
        }
    }
    box_mean(spare, reach);
    for (i = 0; i < count; i++) {
        ink->data[i] = within_unit(ink->data[i] / (spare->data[i] < PALEST ? PALEST : spare->data[i] > 1.0f ? 1.0f : spare->data[i]));
    }
}

int @{name}_normalise(const uint8_t *grey, int height, int width, uint8_t pixels[@{NAME}_INPUTS])
{
    plane ink = {0, 0, first_room}, spare = {0, 0, second_room};
    const int inverted = grey[0] == 255 ? 255 : 0;
    float contrast, level;
    double lowest, change;
    int i;
    if (height < 1 || width < 1 || height > @{NAME}_DRAWING_SIDE || width > @{NAME}_DRAWING_SIDE) {
        return 0;
    }
    if (is_input(grey, height, width, inverted)) {
        for (i = 0; i < @{NAME}_INPUTS; i++) {
            pixels[i] = (uint8_t)(grey[i] ^ inverted);
        }
        return 1;
    }
    contrast = contrast_of(grey, height, width, &ink);
    if (contrast <= 0.0f) {
        return 0;
    }
    level = (float)(MARK * (double)contrast);
    crop_to_marks(&ink, &spare, level);
    press_evenly(&ink, &spare, contrast, level);
    if (!scale_to_box(&ink, &spare)) {
        return 0;
    }
    lowest = NOISE_FLOOR * (double)contrast / (double)contrast;
    for (i = 0; i < ink.height * ink.width; i++) {
        ink.data[i] = within_unit((ink.data[i] - (float)lowest) / (float)(0.8 - lowest));
    }
    if (!crop_to_ink(&ink, &spare, 2 * FINER)) {
        return 0;
    }
    change = stroke_width_change(&ink);
    if (fabs(change) > 0.1) {
        dilate_or_erode(&ink, &spare, change);
    }
    if (!scale_to_box(&ink, &spare)) {
        return 0;
    }
    draw(&ink, pixels);
    return 1;
}
