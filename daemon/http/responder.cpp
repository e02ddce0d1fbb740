#include "daemon/http/responder.h"

namespace mrun {

Responder::~Responder() {
  if (m_exchange != nullptr)
    m_exchange->send(problem_reply(fail(ErrorCode::internal, "the request was dropped unanswered").value()));
}

} // namespace mrun
