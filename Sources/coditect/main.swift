print("coditect")
