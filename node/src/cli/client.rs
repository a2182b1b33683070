//! A request to the running hub over its control socket.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
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

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

/// A hub that may be running.
pub(super) struct Client {
    folder: HubFolder,
    language: Language,
}

/// The hub did not answer.
fn unavailable(sentence: String) -> Failure {
    Failure::new(exit::UNAVAILABLE, "not-running", sentence)
}

fn other_form(_: serde_json::Error) -> Failure {
    Failure::new(
        exit::GENERAL,
        "version",
        "the hub answers in another form; upgrade both",
    )
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

    /// Asks for something that is answered with bytes, and a document about them in a header.
    pub(super) async fn post_for_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        header: &HeaderName,
    ) -> Result<(T, Vec<u8>), Failure> {
        let (headers, bytes) = self.send(Method::POST, path, JSON, Vec::new()).await?;
        let document = headers.get(header).map(HeaderValue::as_bytes);
        let document = serde_json::from_slice(document.unwrap_or_default()).map_err(other_form)?;
        Ok((document, bytes.into()))
    }

    /// Hands over bytes.
    pub(super) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T, Failure> {
        let (_, bytes) = self.send(Method::POST, path, OCTETS, bytes).await?;
        serde_json::from_slice(&bytes).map_err(other_form)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Failure> {
        let (_, bytes) = self.send(method, path, JSON, body).await?;
        serde_json::from_slice(&bytes).map_err(other_form)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Result<(HeaderMap, Bytes), Failure> {
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
            .header("content-type", kind)
            .header("accept-language", self.language.code())
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Failure::new(exit::USAGE, "usage", "that is not an id"))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.map_err(broken)?.to_bytes();
        if head.status.is_success() {
            return Ok((head.headers, bytes));
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
