enum RoomTestingTarget {}
