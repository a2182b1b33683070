//! What a request is answered: JSON, and a stable code where it is refused.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use testudo_core::refusal::{Refusal, RefusalKind};

use crate::process::Stopped;

/// Why a request was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A stable code.
    pub code: String,
    /// One sentence: what, and what to do.
    pub sentence: String,
    /// The rules behind it, if rules are.
    pub rules: Vec<String>,
    /// The exit code of the command line.
    pub exit: u8,
}

/// The body of a refused request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Why.
    pub error: Problem,
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let exit = match refusal.kind() {
            RefusalKind::Usage => 2,
            RefusalKind::Data => 65,
            RefusalKind::NotFound => 3,
            RefusalKind::Policy => 4,
            RefusalKind::Later => 75,
            RefusalKind::Internal => 1,
        };
        Self {
            code: refusal.code().to_owned(),
            sentence: crate::cli::chain(refusal),
            rules: refusal.rules(),
            exit,
        }
    }
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self.exit {
            2 => StatusCode::BAD_REQUEST,
            3 => StatusCode::NOT_FOUND,
            4 => StatusCode::FORBIDDEN,
            65 => StatusCode::UNPROCESSABLE_ENTITY,
            75 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn not_found(sentence: &str) -> Self {
        Self {
            code: "not-found".to_owned(),
            sentence: sentence.to_owned(),
            rules: Vec::new(),
            exit: 3,
        }
    }

    pub(super) fn stopping() -> Self {
        let sentence = Stopped.to_string();
        Self {
            code: "stopping".to_owned(),
            sentence,
            rules: Vec::new(),
            exit: 75,
        }
    }

    pub(super) fn internal(sentence: &str) -> Self {
        Self {
            code: "internal".to_owned(),
            sentence: sentence.to_owned(),
            rules: Vec::new(),
            exit: 1,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status(), Json(ErrorBody { error: self })).into_response()
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::stopping()
    }
}
