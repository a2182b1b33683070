//! What the federation's rules decide, and what no policy file can make the engine do.

mod cases;
mod kinds;
mod layering;
mod loading;
mod mutation;
mod property;
mod straight_line;
