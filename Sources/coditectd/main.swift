print("coditectd")
