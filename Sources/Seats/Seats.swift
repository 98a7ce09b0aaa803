enum SeatsRoom {}
