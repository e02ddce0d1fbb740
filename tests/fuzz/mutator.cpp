#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace mrun::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t k_max_bytes = 16 * 1024;
constexpr std::size_t k_max_piece = 64;

// Where counts, lengths and offsets go wrong.
constexpr std::array<std::uint64_t, 14> k_numbers = {
    0,          1,          0x7f,       0x80,       0xff,       0x7fff,    0xffff,
    0x7fffffff, 0x80000000, 0xffffffff, 1ULL << 32, 1ULL << 53, INT64_MAX, UINT64_MAX};
constexpr std::array<std::string_view, 12> k_decimals = {"0",
                                                         "-1",
                                                         "00",
                                                         "255",
                                                         "65536",
                                                         "2147483648",
                                                         "9007199254740993",
                                                         "9223372036854775808",
                                                         "18446744073709551616",
                                                         "1e-2147483648",
                                                         "1e999",
                                                         "0.1"};
constexpr std::string_view k_bytes = "\0\x01\x7f\x80\xff\t\n\r \"'%*+,-./:;<=>?@[\\]{|}"sv;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

} // namespace

std::uint64_t Mutator::random() {
  std::uint64_t mixed = m_state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

std::string Mutator::next() {
  std::string bytes = m_seeds[below(m_seeds.size())];
  for (std::size_t changes = 1 + below(8); changes > 0; --changes)
    change(bytes);
  if (bytes.size() > k_max_bytes) bytes.resize(k_max_bytes);
  return bytes;
}

void Mutator::change(std::string& bytes) {
  switch (below(8)) {
  case 0:
    return flip_bit(bytes);
  case 1:
    return set_byte(bytes);
  case 2:
    return set_number(bytes);
  case 3:
    return set_decimal(bytes);
  case 4:
    return remove_piece(bytes);
  case 5:
    return double_piece(bytes);
  case 6:
    return insert_piece(bytes);
  default:
    if (below(4) == 0) bytes.resize(below(bytes.size() + 1));
  }
}

void Mutator::flip_bit(std::string& bytes) {
  if (!bytes.empty()) bytes[below(bytes.size())] ^= static_cast<char>(1U << below(8));
}

void Mutator::set_byte(std::string& bytes) {
  if (!bytes.empty()) bytes[below(bytes.size())] = k_bytes[below(k_bytes.size())];
}

// 1, 2, 4 or 8 bytes in either order.
void Mutator::set_number(std::string& bytes) {
  const std::size_t width = std::size_t{1} << below(4);
  if (bytes.size() < width) return;
  const std::size_t at = below(bytes.size() - width + 1);
  const std::uint64_t number = k_numbers[below(k_numbers.size())] - below(2);
  const bool big_endian = below(4) == 0;
  for (std::size_t i = 0; i < width; ++i)
    bytes[at + (big_endian ? width - 1 - i : i)] = static_cast<char>(number >> (8 * i));
}

// In place of the digits at some place, if there are any behind it.
void Mutator::set_decimal(std::string& bytes) {
  const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1));
  const auto begin = std::find_if(from, bytes.end(), is_digit);
  const auto end = std::find_if_not(begin, bytes.end(), is_digit);
  if (begin != end) bytes.replace(begin, end, k_decimals[below(k_decimals.size())]);
}

void Mutator::remove_piece(std::string& bytes) {
  bytes.erase(below(bytes.size() + 1), 1 + below(k_max_piece));
}

void Mutator::double_piece(std::string& bytes) {
  const std::string piece = bytes.substr(below(bytes.size() + 1), 1 + below(k_max_piece));
  const std::size_t times = below(8) == 0 ? 1 + below(64) : 1;
  std::string copies;
  for (std::size_t i = 0; i < times; ++i)
    copies += piece;
  bytes.insert(below(bytes.size() + 1), copies);
}

void Mutator::insert_piece(std::string& bytes) {
  const std::string& other = m_seeds[below(m_seeds.size())];
  const std::string piece = other.substr(below(other.size() + 1), 1 + below(k_max_piece));
  const std::size_t at = below(bytes.size() + 1);
  if (below(2) == 0)
    bytes.insert(at, piece);
  else
    bytes.replace(at, piece.size(), piece);
}

} // namespace mrun::fuzz
