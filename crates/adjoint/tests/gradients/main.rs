//! Gradients of ordinary differential equations: under the public check, and by every method against each other.

mod agreement;
mod check;
mod rates;
