/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that are too easy to misuse break the build with a name that says so. Included last,
 * after the system headers. A file that owns an exception defines PB_ALLOW_<name> before its
 * includes, with a reason.
 */
#ifndef PB_BASE_BANNED_H
#define PB_BASE_BANNED_H

#define PB_BANNED(f) sorry_##f##_is_a_banned_function

#undef strcpy
#define strcpy(a, b) PB_BANNED(strcpy)
#undef strcat
#define strcat(a, b) PB_BANNED(strcat)
#undef strncpy
#define strncpy(a, b, c) PB_BANNED(strncpy)
#undef strncat
#define strncat(a, b, c) PB_BANNED(strncat)
#undef strtok
#define strtok(a, b) PB_BANNED(strtok)
#undef strtok_r
#define strtok_r(a, b, c) PB_BANNED(strtok_r)
#undef sprintf
#define sprintf(...) PB_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) PB_BANNED(vsprintf)
#undef gets
#define gets(a) PB_BANNED(gets)
#undef alloca
#define alloca(a) PB_BANNED(alloca)
#undef atoi
#define atoi(a) PB_BANNED(atoi)
#undef atol
#define atol(a) PB_BANNED(atol)
#undef atof
#define atof(a) PB_BANNED(atof)
#ifndef PB_ALLOW_STRTO
#undef strtol
#define strtol(...) PB_BANNED(strtol)
#undef strtoul
#define strtoul(...) PB_BANNED(strtoul)
#undef strtoll
#define strtoll(...) PB_BANNED(strtoll)
#undef strtoull
#define strtoull(...) PB_BANNED(strtoull)
#undef strtod
#define strtod(...) PB_BANNED(strtod)
#endif
#undef gmtime
#define gmtime(a) PB_BANNED(gmtime)
#undef localtime
#define localtime(a) PB_BANNED(localtime)
#undef ctime
#define ctime(a) PB_BANNED(ctime)
#undef ctime_r
#define ctime_r(...) PB_BANNED(ctime_r)
#undef asctime
#define asctime(a) PB_BANNED(asctime)
#undef asctime_r
#define asctime_r(...) PB_BANNED(asctime_r)
#undef mktemp
#define mktemp(a) PB_BANNED(mktemp)
#undef tmpnam
#define tmpnam(a) PB_BANNED(tmpnam)
#undef system
#define system(a) PB_BANNED(system)
#undef popen
#define popen(...) PB_BANNED(popen)
#ifndef PB_ALLOW_FORK
#undef fork
#define fork() PB_BANNED(fork)
#endif
#ifndef PB_ALLOW_SIGNAL
#undef signal
#define signal(...) PB_BANNED(signal)
#endif
#undef rand
#define rand() PB_BANNED(rand)
#undef random
#define random() PB_BANNED(random)
#undef strerror
#define strerror(a) PB_BANNED(strerror)
#undef setenv
#define setenv(...) PB_BANNED(setenv)
#undef putenv
#define putenv(a) PB_BANNED(putenv)
#undef setlocale
#define setlocale(...) PB_BANNED(setlocale)
#ifndef PB_ALLOW_GETENV
#undef getenv
#define getenv(a) PB_BANNED(getenv)
#endif
#ifndef PB_ALLOW_EXIT
#undef exit
#define exit(a) PB_BANNED(exit)
#endif
#undef sleep
#define sleep(a) PB_BANNED(sleep)
#undef usleep
#define usleep(a) PB_BANNED(usleep)
#undef assert
#define assert(a) PB_BANNED(assert)

#endif
