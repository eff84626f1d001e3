
int @{name}_weekday(int year, int month, int day)
{
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int past = year - 1, is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int days, other;
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (is_leap && month == 2)) {
        return 0;
    }
    /* The first day of the year 1 was a Monday, and 365 days are a day more than whole weeks. */
    days = past + past / 4 - past / 100 + past / 400 + day - 1 + (is_leap && month > 2);
    for (other = 1; other < month; other++) {
        days += lengths[other - 1];
    }
    return days % 7 + 1;
}
