//! A request to the running hub over its control socket.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_policies::explain::Language;
use tokio::net::UnixStream;

use super::arguments::{At, environment};
use super::outcome::{Failure, exit};
use crate::api::ErrorBody;
use crate::folder::HubFolder;

/// A hub that may be running.
pub(super) struct Client {
    folder: HubFolder,
    language: Language,
}

/// The hub did not answer.
fn unavailable(sentence: String) -> Failure {
    Failure::new(exit::UNAVAILABLE, "not-running", sentence)
}

impl Client {
    pub(super) fn new(at: &At) -> Result<Self, Failure> {
        Ok(Self {
            folder: HubFolder::open(&at.data, &environment())?,
            language: Language::English,
        })
    }

    /// Asks for sentences in a language.
    pub(super) fn speaking(self, language: Language) -> Self {
        Self { language, ..self }
    }

    pub(super) fn folder(&self) -> &HubFolder {
        &self.folder
    }

    /// Whether a hub answers on the socket.
    pub(super) async fn is_running(&self) -> bool {
        UnixStream::connect(&self.folder.config.control_socket)
            .await
            .is_ok()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, Vec::new()).await
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body)
            .map_err(|_| Failure::new(exit::GENERAL, "internal", "the request cannot be written as JSON"))?;
        self.ask(Method::POST, path, body).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let socket = &self.folder.config.control_socket;
        let data = self.folder.root().display().to_string();
        let stream = UnixStream::connect(socket).await.map_err(|_| {
            unavailable(format!(
                "no hub runs on `{data}`; start it with `testudo serve --data {data}`"
            ))
        })?;
        let broken =
            |_| unavailable("the hub ended before it answered; what it acknowledged is safe".to_owned());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "hub")
            .header("content-type", "application/json")
            .header("accept-language", self.language.code())
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::new(exit::USAGE, "usage", "that is not an id"))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(broken)?.to_bytes();
        if status.is_success() {
            let other = |_| {
                Failure::new(
                    exit::GENERAL,
                    "version",
                    "the hub answers in another form; upgrade both",
                )
            };
            return serde_json::from_slice(&bytes).map_err(other);
        }
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => Err(body.error.into()),
            // axum's own refusals are sentences about the request.
            Err(_) => Err(Failure::new(
                exit::USAGE,
                "request",
                String::from_utf8_lossy(&bytes).into_owned(),
            )),
        }
    }
}
