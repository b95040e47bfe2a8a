create table handled (milliseconds float8);
select pgmq.create('plain');
