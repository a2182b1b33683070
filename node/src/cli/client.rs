//! A request to the running hub over its control socket.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use testudo_policies::explain::Language;
use tokio::net::UnixStream;

use super::arguments::{At, environment};
use super::outcome::{Failure, exit};
use crate::api::ErrorBody;
use crate::config::{Config, FILE_NAME};
use crate::folder::HubFolder;

const JSON: &str = "application/json";
const OCTETS: &str = "application/octet-stream";

/// Bytes of a file that are read and sent at once.
const CHUNK_BYTES: usize = 64 << 10;

/// A hub that may be running.
pub(super) struct Client {
    /// Absent where the file on disk has a fault: a running hub goes on with the configuration it was started
    /// with, and must be able to say so.
    folder: Option<HubFolder>,
    root: PathBuf,
    socket: PathBuf,
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

/// The socket at its default place, if a hub answers there.
fn socket_of_a_running_hub(data: &Path) -> Option<PathBuf> {
    let defaults = Config::parse("", &data.join(FILE_NAME), &BTreeMap::new()).ok()?;
    let socket = defaults.control_socket;
    std::os::unix::net::UnixStream::connect(&socket).ok()?;
    Some(socket)
}

impl Client {
    pub(super) fn new(at: &At) -> Result<Self, Failure> {
        let (folder, socket) = match HubFolder::open(&at.data, &environment()) {
            Ok(folder) => {
                let socket = folder.config.control_socket.clone();
                (Some(folder), socket)
            }
            Err(error) => (None, socket_of_a_running_hub(&at.data).ok_or(error)?),
        };
        Ok(Self {
            folder,
            root: at.data.clone(),
            socket,
            language: Language::English,
        })
    }

    /// Asks for sentences in a language.
    pub(super) fn speaking(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// The hub's folder, for what is read from it while no hub runs.
    pub(super) fn folder(&self) -> Result<&HubFolder, Failure> {
        let ended =
            || unavailable("the hub ended before it answered; its configuration has a fault".to_owned());
        self.folder.as_ref().ok_or_else(ended)
    }

    /// Whether a hub answers on the socket.
    pub(super) async fn is_running(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
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

    /// Hands a file over as it is read, in flat memory.
    pub(super) async fn upload<T: DeserializeOwned>(&self, path: &str, file: File) -> Result<T, Failure> {
        let chunks = futures::stream::iter(FileChunks(file)).map(|chunk| chunk.map(Frame::data));
        let response = self
            .respond(Method::POST, path, OCTETS, StreamBody::new(chunks))
            .await?;
        let (_, bytes) = whole(response).await?;
        serde_json::from_slice(&bytes).map_err(other_form)
    }

    /// Takes a body over as it comes. Whatever was taken counts only if this succeeds.
    pub(super) async fn download(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let response = self
            .respond(Method::GET, path, JSON, Full::new(Bytes::new()))
            .await?;
        if !response.status().is_success() {
            return whole(response).await.map(drop);
        }
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let broken_off = |_| {
                let sentence =
                    "the attachment does not open, or the hub ended; see its log, then fetch it again";
                Failure::new(exit::DATA, "attachment-damaged", sentence)
            };
            if let Some(chunk) = frame.map_err(broken_off)?.data_ref() {
                take(chunk)?;
            }
        }
        Ok(())
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
        whole(
            self.respond(method, path, kind, Full::new(Bytes::from(body)))
                .await?,
        )
        .await
    }

    async fn respond<B>(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: B,
    ) -> Result<Response<Incoming>, Failure>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let data = self.root.display().to_string();
        let stream = UnixStream::connect(&self.socket).await.map_err(|_| {
            unavailable(format!(
                "no hub runs on `{data}`; start it with `testudo serve --data {data}`"
            ))
        })?;
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
            .body(body)
            .map_err(|_| Failure::new(exit::USAGE, "usage", "that is not an id"))?;
        sender.send_request(request).await.map_err(broken)
    }
}

fn broken(_: hyper::Error) -> Failure {
    unavailable("the hub ended before it answered; what it acknowledged is safe".to_owned())
}

/// The head and the whole body of an answer, or why there is none.
async fn whole(response: Response<Incoming>) -> Result<(HeaderMap, Bytes), Failure> {
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

/// The chunks of a file, in their order.
struct FileChunks(File);

impl Iterator for FileChunks {
    type Item = std::io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = vec![0; CHUNK_BYTES];
        match self.0.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some(Ok(Bytes::from(chunk)))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
