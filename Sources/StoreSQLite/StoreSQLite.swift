enum StoreSQLiteTarget {}
