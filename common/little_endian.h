// Little-endian numbers in files, at any offset.
#pragma once

#include <string_view>
#include <type_traits>

namespace mrun {

// `offset` + sizeof(T) lies inside `bytes`.
template<class T>
T read_little_endian(std::string_view bytes, std::size_t offset) {
  static_assert(std::is_unsigned_v<T>);
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;)
    value =
        static_cast<T>((value << (sizeof(T) > 1 ? 8 : 0)) | static_cast<unsigned char>(bytes[offset + i]));
  return value;
}

} // namespace mrun
