// Writes ZIP archives byte by byte, for tests: whole ones, and ones that lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mrun::test {

template<class T>
void put_number(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Writes ZIP archives of stored members; every field of interest can be bent before finish().
struct ZipWriter {
  struct Member {
    std::string name, bytes;
    std::uint64_t offset = 0;
    std::uint16_t method = 0;
    std::uint16_t flags = 0;
    std::uint64_t size = 0;        // as the directory says
    std::uint64_t stored_size = 0; // as the directory says
  };
  std::string out;
  std::vector<Member> members;
  bool zip64 = false;

  Member& add(const std::string& name, const std::string& bytes, const std::string& local_name = {}) {
    members.push_back({name, bytes, out.size(), 0, 0, bytes.size(), bytes.size()});
    const std::string& local = local_name.empty() ? name : local_name;
    put_number<std::uint32_t>(out, 0x04034b50);
    out.append(22, '\0');
    put_number(out, static_cast<std::uint16_t>(local.size()));
    put_number<std::uint16_t>(out, 7); // an extra field, as PyTorch's padding
    out += local + std::string(7, 'p') + bytes;
    return members.back();
  }

  void directory_entry(const Member& member) {
    put_number<std::uint32_t>(out, 0x02014b50);
    out.append(4, '\0');
    put_number(out, member.flags);
    put_number(out, member.method);
    out.append(8, '\0');
    put_number(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.stored_size));
    put_number(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.size));
    put_number(out, static_cast<std::uint16_t>(member.name.size()));
    put_number<std::uint16_t>(out, zip64 ? 28 : 0);
    out.append(10, '\0');
    put_number(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(member.offset));
    out += member.name;
    if (!zip64) return;
    put_number<std::uint16_t>(out, 1);
    put_number<std::uint16_t>(out, 24);
    put_number(out, member.size);
    put_number(out, member.stored_size);
    put_number(out, member.offset);
  }

  std::string finish() {
    const std::uint64_t start = out.size();
    for (const Member& member : members)
      directory_entry(member);
    const std::uint64_t size = out.size() - start;
    if (zip64) {
      const std::uint64_t end64 = out.size();
      put_number<std::uint32_t>(out, 0x06064b50);
      out.append(28, '\0');
      put_number<std::uint64_t>(out, members.size());
      put_number(out, size);
      put_number(out, start);
      put_number<std::uint32_t>(out, 0x07064b50);
      put_number<std::uint32_t>(out, 0);
      put_number(out, end64);
      put_number<std::uint32_t>(out, 1);
    }
    put_number<std::uint32_t>(out, 0x06054b50);
    out.append(4, '\0');
    for (int i = 0; i < 2; ++i)
      put_number(out, zip64 ? std::uint16_t{0xFFFF} : static_cast<std::uint16_t>(members.size()));
    put_number(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(size));
    put_number(out, zip64 ? 0xFFFFFFFF : static_cast<std::uint32_t>(start));
    put_number<std::uint16_t>(out, 0);
    return out;
  }
};

} // namespace mrun::test
