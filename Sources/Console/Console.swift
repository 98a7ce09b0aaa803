enum ConsoleTarget {}
