//! testudo-testnet
