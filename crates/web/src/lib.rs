//! Pages and HTTP API of Sekisho: server-rendered HTML under a strict policy, JSON under `/api/v1`.
//!
//! Floor 2. Knows HTTP, HTML and words; asks the store for everything else. Contains no SQL, and opens no socket
//! to a target. One table ([`routes`]) holds every address with its permission; the router is built from it.

pub mod assets;
pub mod call;
pub mod form;
pub mod gate;
pub mod openapi;
pub mod pages;
pub mod routes;
pub mod server;
pub mod settings;
pub mod stop;
pub mod view;
pub mod words;

pub use routes::{Access, Kind, RouteInfo, table};
pub use server::{Face, Web, WebFault, bind};
pub use settings::WebSettings;
