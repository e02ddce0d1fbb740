// Whom TLS trusts, as the users of private registries have it set up for Docker and Podman.
//
// SSL_CERT_FILE, SSL_CERT_DIR and CURL_CA_BUNDLE take the place of the system's roots, as they do for curl.
// A folder certs.d/HOST[:PORT] adds to them for that host (docker-ce's "verify repository client with
// certificates"; containers-certs.d(5)): *.crt are authorities, NAME.cert and NAME.key a client's pair. All
// folders of that name count: $XDG_CONFIG_HOME/containers/certs.d (~/.config), ~/.docker/certs.d,
// /etc/containers/certs.d, /etc/docker/certs.d.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

struct TlsTrust {
  std::string authorities_file;   // "": libcurl's own
  std::string authorities_folder; // the same
  std::string authorities;        // PEM, besides those
  std::string certificate_file;   // of the client; "" for none
  std::string key_file;
};

// `authority`: HOST or HOST:PORT, as the user writes it. Errors: registry_tls (a file that can't be read, a
// certificate without its key).
Result<TlsTrust> tls_trust_for(std::string_view authority);
// Whether some certs.d has a folder for it.
bool has_certificates_for(std::string_view authority);

} // namespace mrun
