/* What a dense layer of bytes adds up, as whole numbers: any order of summation gives the same. */
static int32_t sums[@sums];
