
/* The day of the week, 1 for Monday to 7 for Sunday; 0 where the years 1 to 9999 have no such day. */
int @{name}_weekday(int year, int month, int day);
