// Spoils inputs as a stranger would, the same way on any machine: flipped bits, cut and doubled pieces,
// numbers at the edges, pieces of other inputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mrun::fuzz {

class Mutator {
 public:
  // `seeds`: not empty; outlive the mutator.
  Mutator(const std::vector<std::string>& seeds, std::uint64_t number) : m_seeds(seeds), m_state(number) {}

  // One of the seeds with one to eight changes, at most 16 KiB.
  std::string next();

 private:
  std::uint64_t random(); // SplitMix64
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit); }

  void change(std::string& bytes);
  void flip_bit(std::string& bytes);
  void set_byte(std::string& bytes);
  void set_number(std::string& bytes);
  void set_decimal(std::string& bytes);
  void remove_piece(std::string& bytes);
  void double_piece(std::string& bytes);
  void insert_piece(std::string& bytes);

  const std::vector<std::string>& m_seeds;
  std::uint64_t m_state;
};

} // namespace mrun::fuzz
