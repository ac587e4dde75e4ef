-- Run once, when the volume is new. Schemas, tables and the processes' roles are made by `migrate`.
create database shop;
create database payments;
