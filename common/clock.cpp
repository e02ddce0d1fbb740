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

namespace {

// Reads text from its front; `ok` stays false once something did not fit.
struct TimeText {
  std::string_view rest;
  bool ok = true;

  std::int64_t digits(std::size_t count) {
    std::int64_t value = 0;
    ok = ok && rest.size() >= count;
    for (std::size_t i = 0; ok && i < count; ++i) {
      ok = rest[i] >= '0' && rest[i] <= '9';
      value = value * 10 + (rest[i] - '0');
    }
    if (ok) rest.remove_prefix(count);
    return value;
  }
  bool take(char c) {
    if (rest.empty() || rest.front() != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void need(char c) { ok = take(c) && ok; }
  std::int64_t fraction_ns() {
    std::int64_t value = 0, place = 100'000'000;
    const std::size_t before = rest.size();
    for (; !rest.empty() && rest.front() >= '0' && rest.front() <= '9'; rest.remove_prefix(1), place /= 10)
      value += (rest.front() - '0') * place;
    ok = ok && rest.size() < before;
    return value;
  }
  std::int64_t offset_minutes() {
    if (take('Z') || take('z')) return 0;
    const bool is_west = take('-');
    if (!is_west) need('+');
    const std::int64_t hours = digits(2);
    need(':');
    const std::int64_t minutes = digits(2);
    ok = ok && hours < 24 && minutes < 60;
    return (is_west ? -1 : 1) * (hours * 60 + minutes);
  }
};

} // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  TimeText in{text};
  const auto year_number = static_cast<int>(in.digits(4));
  in.need('-');
  const auto month_number = static_cast<unsigned>(in.digits(2));
  in.need('-');
  const auto day_number = static_cast<unsigned>(in.digits(2));
  const year_month_day date{year(year_number), month(month_number), day(day_number)};
  if (!in.ok || !date.ok() || year_number < 1970 || year_number > 2200) return std::nullopt;
  nanoseconds time = sys_days(date).time_since_epoch();
  if (in.rest.empty()) return time.count();
  if (!in.take('T') && !in.take('t')) in.need(' ');
  const std::int64_t clock_hours = in.digits(2);
  in.need(':');
  const std::int64_t clock_minutes = in.digits(2);
  in.need(':');
  const std::int64_t clock_seconds = in.digits(2);
  const std::int64_t fraction_ns = in.take('.') ? in.fraction_ns() : 0;
  const std::int64_t offset = in.offset_minutes();
  if (!in.ok || !in.rest.empty() || clock_hours > 23 || clock_minutes > 59 || clock_seconds > 60)
    return std::nullopt;
  time += hours(clock_hours) + minutes(clock_minutes - offset) + seconds(clock_seconds) +
          nanoseconds(fraction_ns);
  return time.count();
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
