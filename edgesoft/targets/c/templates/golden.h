/* Recorded inputs, with the logits that ONNX Runtime gave for them at export. Made by edgesoft @version from
 * @origin. */
#ifndef EDGESOFT_@{NAME}_GOLDEN_H
#define EDGESOFT_@{NAME}_GOLDEN_H

#include <stdint.h>

#include "@name.h"

#define GOLDEN_EXAMPLES @count

@arrays
@unpacked
#endif
