#include "common/clock.h"

#include <chrono>
#include <ctime>

namespace mrun {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

class SystemClock : public Clock {
 public:
  std::int64_t monotonic_ns() const override { return read_clock(CLOCK_MONOTONIC); }
  std::int64_t wall_ns() const override { return read_clock(CLOCK_REALTIME); }
};

} // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string rfc3339_utc(std::int64_t wall_ns) {
  using namespace std::chrono;
  const sys_time<nanoseconds> time{nanoseconds(wall_ns)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(floor<microseconds>(time - day));
  std::string text = "0000-00-00T00:00:00.000000Z";
  const auto put = [&text](std::size_t at, std::size_t digits, std::int64_t number) {
    for (; digits-- > 0; number /= 10)
      text[at + digits] = static_cast<char>('0' + number % 10);
  };
  put(0, 4, int(date.year()));
  put(5, 2, unsigned(date.month()));
  put(8, 2, unsigned(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 6, clock.subseconds().count());
  return text;
}

} // namespace mrun
